package main

import (
	casbin "github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"
)

// casbin3 makes the enforcers of version 3. They share one policy, which at 100,000 memberships is much of the memory there is: the wrappers
// hold the enforcer they wrap in an exported field, and none changes how the others answer.
func casbin3(l layout) (base, []enforcer, error) {
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
		{"v3", "Enforcer", l, false, plain.Enforce, shaken(plain, keepsNothing), plain.RemoveGroupingPolicy},
		{"v3", "SyncedEnforcer", l, true, synced.Enforce, shaken(plain, keepsNothing), synced.RemoveGroupingPolicy},
		{"v3", "CachedEnforcer", l, false, cached.Enforce, shaken(plain, cached.InvalidateCache), cached.RemoveGroupingPolicy},
		{"v3", "SyncedCachedEnforcer", l, true, both.Enforce, shaken(plain, both.InvalidateCache), both.RemoveGroupingPolicy},
	}, nil
}
