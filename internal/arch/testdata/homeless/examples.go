package forum

import _ "example.org/forum/internal/utils"
