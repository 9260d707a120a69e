package sqlstore

import _ "example.net/driverless"
