package rbac

import _ "example.org/forum"
