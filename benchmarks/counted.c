/* Preloaded: counts the calls that write below one folder, and kills the process at the n-th. Built by faults.py: cc -shared -fPIC -o counted.so counted.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char below[4096];
static long last = -1;
static long count = 0;

void arm(const char *folder, long number) {
    strncpy(below, folder, sizeof below - 1);
    count = 0;
    last = number;
}
long counted(void) { return count; }

static void tick(void) {
    if (__sync_add_and_fetch(&count, 1) == last) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
}
static void path(const char *name) {
    if (last >= 0 && name && strncmp(name, below, strlen(below)) == 0) tick();
}
static void handle(int fd) {
    char link[64], name[4096];
    if (last < 0) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, name, sizeof name - 1);
    if (size > 0) { name[size] = 0; path(name); }
}
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *p, size_t n) { handle(fd); return NEXT(write)(fd, p, n); }
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t o) { handle(fd); return NEXT(pwrite64)(fd, p, n, o); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t o) { handle(fd); return NEXT(pwrite)(fd, p, n, o); }
ssize_t writev(int fd, const struct iovec *v, int n) { handle(fd); return NEXT(writev)(fd, v, n); }
int fsync(int fd) { handle(fd); return NEXT(fsync)(fd); }
int fdatasync(int fd) { handle(fd); return NEXT(fdatasync)(fd); }
int ftruncate(int fd, off_t n) { handle(fd); return NEXT(ftruncate)(fd, n); }
int ftruncate64(int fd, off64_t n) { handle(fd); return NEXT(ftruncate64)(fd, n); }
int rename(const char *a, const char *b) { path(b); return NEXT(rename)(a, b); }
int renameat(int d, const char *a, int e, const char *b) { path(b); return NEXT(renameat)(d, a, e, b); }
int unlink(const char *a) { path(a); return NEXT(unlink)(a); }
int unlinkat(int d, const char *a, int f) { path(a); return NEXT(unlinkat)(d, a, f); }
int link(const char *a, const char *b) { path(b); return NEXT(link)(a, b); }
int linkat(int d, const char *a, int e, const char *b, int f) { path(b); return NEXT(linkat)(d, a, e, b, f); }
int symlink(const char *a, const char *b) { path(b); return NEXT(symlink)(a, b); }
int mkdir(const char *a, mode_t m) { path(a); return NEXT(mkdir)(a, m); }
