package discours

import "context"

// circles says which roles inherit from each other: those with the same number. It is Tarjan's search for strongly connected components, which
// looks at every line of every list once.
type circles struct {
	roles map[string]*own
	// number is when the search came to a role, and low the earliest that can be reached from it and is not done yet.
	number, low map[string]int
	open        []string
	isOpen      map[string]bool
	// circle is the number of the circle of a role; a role that is in none has a number of its own.
	circle map[string]int
	// done are the roles, each after all that it inherits from, but for those of its own circle.
	done []string
}

func findCircles(ctx context.Context, roles []string, lists map[string]*own) (*circles, error) {
	c := &circles{roles: lists, number: map[string]int{}, low: map[string]int{}, isOpen: map[string]bool{}, circle: map[string]int{}}
	for _, role := range roles {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if c.number[role] == 0 {
			c.search(role)
		}
	}
	return c, nil
}

// search goes as deep as the longest chain of roles; the stack has room for more of them than a file that fits into memory can name.
func (c *circles) search(role string) {
	c.number[role] = len(c.number) + 1
	c.low[role] = c.number[role]
	c.open, c.isOpen[role] = append(c.open, role), true
	for _, parent := range c.roles[role].parents {
		switch {
		case c.number[parent] == 0:
			c.search(parent)
			c.low[role] = min(c.low[role], c.low[parent])
		case c.isOpen[parent]:
			c.low[role] = min(c.low[role], c.number[parent])
		}
	}
	if c.low[role] < c.number[role] {
		return
	}
	for last := ""; last != role; {
		last = c.open[len(c.open)-1]
		c.open, c.isOpen[last] = c.open[:len(c.open)-1], false
		c.circle[last] = c.number[role]
		c.done = append(c.done, last)
	}
}
