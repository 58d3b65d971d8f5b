// Package judge says whether two folders are equal, and shares no code with the product it judges.
//
// Two witnesses are heard. The first is rsync, told to compare by checksum, in nanoseconds, with hard links, ACLs and extended
// attributes, and to print what it would change. The second is a plain walk over both trees that looks at what rsync does not see:
// the nanoseconds of symlinks, holes, sockets, and trees that are deeper than a path may be long. Only Linux is judged.
package judge
