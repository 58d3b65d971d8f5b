// Package intercept runs a program and decides, system call by system call, what becomes of it: it goes on, fails with an error of
// choice, does only a part of its work, or the whole process is killed before the call takes effect.
//
// It is made of a seccomp filter that asks its supervisor (seccomp_unotify(2)), so that calls are counted over all threads of the
// program and are named by the paths they touch. Only Linux has it, and what a call's arguments are is read here as 64-bit machines
// have it: with 32 bits a size or an offset takes two of them.
package intercept
