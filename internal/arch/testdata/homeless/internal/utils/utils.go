package utils

import _ "example.net/anything"
