/* A disk that fails: preloaded into a Python process, it makes writes and syncs of files with a mark in their path fail.

   FAILING_DISK_MARK   part of the path of the files that are meant
   FAILING_DISK_PLAN   a file that is looked at before each call on such a file: "KIND FIRST COUNT", where KIND is one of
                       write, sync, any; calls FIRST..FIRST+COUNT-1 fail with EIO. Numbering begins anew with each new plan.
   FAILING_DISK_TRACE  a file that gets one line per call: "sync PATH" or "write PATH", with " EIO" when it was made to fail
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char last_plan[128];
static long calls_under_plan;

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length < 0) return 0;
    path[length] = 0;
    const char *mark = getenv("FAILING_DISK_MARK");
    return mark && strstr(path, mark) != NULL;
}

static void read_plan(char *plan, size_t size) {
    plan[0] = 0;
    const char *name = getenv("FAILING_DISK_PLAN");
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    ssize_t length = read(fd, plan, size - 1);
    plan[length > 0 ? length : 0] = 0;
    close(fd);
}

static ssize_t bare_write(int fd, const char *text, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    return real(fd, text, size);
}

static void trace(const char *call, const char *path, int fails) {
    const char *name = getenv("FAILING_DISK_TRACE");
    int fd = name ? open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0) return;
    char line[4400];
    int length = snprintf(line, sizeof line, "%s %s%s\n", call, path, fails ? " EIO" : "");
    if (bare_write(fd, line, (size_t)length) < 0) abort();
    close(fd);
}

static int fails(const char *call, int fd) {
    char path[4200], plan[128], kind[16];
    long first, count;
    if (!path_of(fd, path, sizeof path)) return 0;
    read_plan(plan, sizeof plan);
    if (strcmp(plan, last_plan)) {
        strcpy(last_plan, plan);
        calls_under_plan = 0;
    }
    int meant = sscanf(plan, "%15s %ld %ld", kind, &first, &count) == 3
        && (!strcmp(kind, "any") || !strcmp(kind, call));
    int failing = 0;
    if (meant) {
        calls_under_plan++;
        failing = calls_under_plan >= first && calls_under_plan < first + count;
    }
    trace(call, path, failing);
    if (failing) errno = EIO;
    return failing;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

int fsync(int fd) { REAL(int, "fsync", int); return fails("sync", fd) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(int, "fdatasync", int); return fails("sync", fd) ? -1 : real(fd); }
ssize_t write(int fd, const void *text, size_t size) { return fails("write", fd) ? -1 : bare_write(fd, text, size); }
ssize_t pwrite(int fd, const void *text, size_t size, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return fails("write", fd) ? -1 : real(fd, text, size, at);
}
ssize_t pwrite64(int fd, const void *text, size_t size, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return fails("write", fd) ? -1 : real(fd, text, size, at);
}
int ftruncate(int fd, off_t size) { REAL(int, "ftruncate", int, off_t); return fails("write", fd) ? -1 : real(fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(int, "ftruncate64", int, off64_t); return fails("write", fd) ? -1 : real(fd, size); }
