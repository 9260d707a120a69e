package main

import _ "example.org/forum"

func main() {}
