package logging

// openFlags is empty where open knows no such flags; the kind is still checked before and after opening.
const openFlags = 0
