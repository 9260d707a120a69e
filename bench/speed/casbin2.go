package main

import (
	casbin "github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
)

// casbin2 makes the enforcers of version 2. They share one policy, which at 100,000 memberships is much of the memory there is: the wrappers
// hold the enforcer they wrap in an exported field, and none changes how the others answer.
func casbin2(l layout) (base, []enforcer, error) {
	m, err := model.NewModelFromString(l.model)
	if err != nil {
		return nil, nil, err
	}
	plain, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, nil, err
	}
	synced, err := casbin.NewSyncedEnforcer()
	if err != nil {
		return nil, nil, err
	}
	cached, err := casbin.NewCachedEnforcer()
	if err != nil {
		return nil, nil, err
	}
	both, err := casbin.NewSyncedCachedEnforcer()
	if err != nil {
		return nil, nil, err
	}
	synced.Enforcer, cached.Enforcer, both.SyncedEnforcer = plain, plain, synced
	return plain, []enforcer{
		{"v2", "Enforcer", l, false, plain.Enforce, shaken(plain, keepsNothing), plain.RemoveGroupingPolicy},
		{"v2", "SyncedEnforcer", l, true, synced.Enforce, shaken(plain, keepsNothing), synced.RemoveGroupingPolicy},
		{"v2", "CachedEnforcer", l, false, cached.Enforce, shaken(plain, cached.InvalidateCache), cached.RemoveGroupingPolicy},
		{"v2", "SyncedCachedEnforcer", l, true, both.Enforce, shaken(plain, both.InvalidateCache), both.RemoveGroupingPolicy},
	}, nil
}
