package main

import "fmt"

// base is what the enforcers of both versions have in common.
type base interface {
	Enforce(request ...any) (bool, error)
	AddPolicies(lines [][]string) (bool, error)
	AddNamedGroupingPolicies(graph string, lines [][]string) (bool, error)
	AddNamedGroupingPolicy(graph string, line ...any) (bool, error)
	RemoveNamedGroupingPolicy(graph string, line ...any) (bool, error)
}

// enforcer is one way to ask Casbin.
type enforcer struct {
	version, kind string
	layout        layout
	// concurrent tells whether Casbin's documentation lets several goroutines ask.
	concurrent bool
	enforce    func(request ...any) (bool, error)
	// forget drops all answers that were kept, as a change of any role does.
	forget func() error
	// revoke takes a role away by the enforcer's own method.
	revoke func(line ...any) (bool, error)
}

// name is what the enforcer is called in tables.
func (e enforcer) name() string {
	return fmt.Sprintf("Casbin %s %s, %s", e.version, e.kind, e.layout.name)
}

// ask asks about a leaf.
func (e enforcer) ask(user, domain, leaf string) (bool, error) {
	return e.enforce(e.layout.request(user, domain, leaf)...)
}

// enforcers are all that Casbin offers over one policy in one layout, both versions.
func enforcers(l layout, from policy) ([]enforcer, error) {
	var all []enforcer
	for _, open := range []func(layout) (base, []enforcer, error){casbin2, casbin3} {
		under, over, err := open(l)
		if err == nil {
			err = tell(under, l, from)
		}
		if err != nil {
			return nil, fmt.Errorf("casbin, layout %s: %w", l.name, err)
		}
		all = append(all, over...)
	}
	return all, nil
}

// tell tells the policy to the enforcer below all others of its version.
func tell(under base, l layout, from policy) error {
	p, g, g2 := l.lines(from)
	if len(p) > 0 {
		if _, err := under.AddPolicies(p); err != nil {
			return err
		}
	}
	if _, err := under.AddNamedGroupingPolicies("g", g); err != nil {
		return err
	}
	if len(g2) > 0 {
		_, err := under.AddNamedGroupingPolicies("g2", g2)
		return err
	}
	return nil
}

// shake makes Casbin forget which edges it has followed, which it does whenever somebody's role changes: it gives and takes one.
func shake(under base) error {
	line := []any{"nobody", "role/nothing", "nowhere"}
	if _, err := under.AddNamedGroupingPolicy("g", line...); err != nil {
		return err
	}
	_, err := under.RemoveNamedGroupingPolicy("g", line...)
	return err
}

// shaken also invalidates the answers that an enforcer keeps.
func shaken(under base, invalidate func() error) func() error {
	return func() error {
		if err := shake(under); err != nil {
			return err
		}
		return invalidate()
	}
}

func keepsNothing() error { return nil }
