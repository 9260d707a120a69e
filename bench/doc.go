// Package bench holds comparisons of Propusk with the programs that people would use instead. It is a module of its own, so that they never
// enter the product's go.mod.
//
// equivalence asks Casbin and Propusk the same questions after an import and wants the same answers. speed times both, and
// others, once they agree; results holds what it found last.
package bench
