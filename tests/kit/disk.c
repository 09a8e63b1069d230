/* A disk that fails when it is told to: preloaded into a process, it stands before the system calls that change files.

   Calls on files under one folder are counted; the n-th is made to fail, before it is done, half done or after, or the
   process dies there, or the power goes: whatever was not flushed is then gone from the files, as is every name whose
   folder was not flushed. One thread, Linux. Python's half is __init__.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum how { COUNT, DIE, POWER_CUT, BEFORE, HALF, AFTER, LOST };

static char under[PATH_MAX];
static size_t under_length;
static long first, times, taken;
static int how, error_number;
static char trace[100000];

/* What an unflushed write put aside, or an unflushed name: newest first. */
struct undo {
    struct undo *next;
    char path[PATH_MAX], from[PATH_MAX]; /* a name came `from` there; "" for a link */
    int is_name, replaced;               /* replaced: an open file, what bore the name before */
    off_t offset, size;
    size_t length;
    char *old;
};
static struct undo *undone;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t real_pwrite(int file, const void *bytes, size_t length, off_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return real(file, bytes, length, offset);
}

static int real_ftruncate(int file, off_t size) {
    REAL(int, "ftruncate64", int, off_t);
    return real(file, size);
}

static int real_rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return real(from, to);
}

static int real_unlink(const char *path) {
    REAL(int, "unlink", const char *);
    return real(path);
}

static int whole_path(const char *path, char *found) {
    if (path[0] == '/') return snprintf(found, PATH_MAX, "%s", path) < PATH_MAX;
    char here[PATH_MAX];
    return getcwd(here, sizeof here) && snprintf(found, PATH_MAX, "%s/%s", here, path) < PATH_MAX;
}

static int is_under(const char *path) {
    return under_length && !strncmp(path, under, under_length) && (path[under_length] == '/' || !path[under_length]);
}

static int path_of(int file, char *found) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, found, PATH_MAX - 1);
    if (length < 0) return 0;
    found[length] = 0;
    return is_under(found);
}

/* What lies at `from`, or in it, lies at `to` by now. */
static void moved(struct undo *one, const char *from, const char *to) {
    size_t length = strlen(from);
    for (; one; one = one->next) {
        char rest[PATH_MAX];
        if (strncmp(one->path, from, length) || (one->path[length] != '/' && one->path[length])) continue;
        snprintf(rest, sizeof rest, "%s", one->path + length);
        if (snprintf(one->path, PATH_MAX, "%s%s", to, rest) >= PATH_MAX) abort();
    }
}

static void power_goes(void) {
    for (struct undo *one = undone; one; one = one->next) {
        if (one->is_name) {
            if (one->from[0]) real_rename(one->path, one->from), moved(one->next, one->path, one->from);
            else real_unlink(one->path);
            if (one->replaced < 0) continue;
        }
        int file = open(one->path, O_WRONLY | O_CREAT, 0600);
        if (file < 0) continue;
        if (one->is_name) {
            char chunk[4096];
            ssize_t got;
            real_ftruncate(file, 0);
            for (off_t at = 0; (got = pread(one->replaced, chunk, sizeof chunk, at)) > 0; at += got)
                real_pwrite(file, chunk, got, at);
        } else {
            real_pwrite(file, one->old, one->length, one->offset);
            real_ftruncate(file, one->size);
        }
    }
    kill(getpid(), SIGKILL);
}

/* Whether this call is one that fails; the process may end here. */
static int fails(char name) {
    taken++;
    if (taken < (long)sizeof trace) trace[taken - 1] = name;
    if (how == COUNT || taken < first || taken >= first + times) return 0;
    if (how == DIE) kill(getpid(), SIGKILL);
    if (how == POWER_CUT) power_goes();
    return 1;
}

static int not_done(void) {
    errno = error_number;
    return -1;
}

static struct undo *remember(const char *path) {
    struct undo *one = calloc(1, sizeof *one);
    snprintf(one->path, PATH_MAX, "%s", path);
    one->replaced = -1;
    one->next = undone;
    return undone = one;
}

static int is_shared_memory(const char *path) {
    size_t length = strlen(path);
    return length > 4 && !strcmp(path + length - 4, "-shm");
}

static void put_aside(int file, const char *path, off_t offset, size_t length) {
    struct stat is;
    if (is_shared_memory(path) || fstat(file, &is)) return;
    struct undo *one = remember(path);
    one->offset = offset, one->size = is.st_size, one->old = malloc(length + 1);
    ssize_t got = offset < is.st_size ? pread(file, one->old, length, offset) : 0;
    one->length = got > 0 ? got : 0;
}

static void flushed(const char *path, int lost, int file) {
    for (struct undo **at = &undone; *at;) {
        struct undo *one = *at;
        char *stroke = strrchr(one->path, '/');
        size_t folder = stroke ? stroke - one->path : 0;
        int its_name = one->is_name && strlen(path) == folder && !strncmp(one->path, path, folder);
        if (its_name || (!one->is_name && !strcmp(one->path, path))) {
            if (lost && !one->is_name) {
                real_pwrite(file, one->old, one->length, one->offset);
                real_ftruncate(file, one->size);
            }
            if (one->replaced >= 0) close(one->replaced);
            *at = one->next;
            free(one->old);
            free(one);
        } else {
            at = &one->next;
        }
    }
}

/* What Python calls. */

void faulty_arm(const char *folder, int chosen, long at, long so_many, int number) {
    snprintf(under, sizeof under, "%s", folder);
    how = chosen, first = at, times = so_many, error_number = number, taken = 0;
    memset(trace, 0, sizeof trace);
    under_length = strlen(under);
}

const char *faulty_disarm(void) {
    under_length = 0;
    return trace;
}

/* What everybody calls. */

static ssize_t written(int file, const char *path, const void *bytes, size_t length, off_t offset) {
    int failing = fails('w');
    if (failing && how == BEFORE) return not_done();
    if (failing && how == HALF) length /= 2;
    put_aside(file, path, offset, length);
    ssize_t done = real_pwrite(file, bytes, length, offset);
    return failing && how != LOST ? not_done() : done;
}

ssize_t write(int file, const void *bytes, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char path[PATH_MAX];
    if (!under_length || !path_of(file, path)) return real(file, bytes, length);
    off_t here = lseek(file, 0, fcntl(file, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t done = written(file, path, bytes, length, here);
    if (done > 0) lseek(file, here + done, SEEK_SET);
    return done;
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off_t offset) {
    char path[PATH_MAX];
    if (!under_length || !path_of(file, path)) return real_pwrite(file, bytes, length, offset);
    return written(file, path, bytes, length, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t length, off_t offset) {
    return pwrite64(file, bytes, length, offset);
}

int ftruncate64(int file, off_t size) {
    char path[PATH_MAX];
    struct stat is;
    if (!under_length || !path_of(file, path)) return real_ftruncate(file, size);
    int failing = fails('t');
    if (failing && how == BEFORE) return not_done();
    if (!fstat(file, &is)) put_aside(file, path, size, size < is.st_size ? is.st_size - size : 0);
    int done = real_ftruncate(file, size);
    return failing ? not_done() : done;
}

int ftruncate(int file, off_t size) {
    return ftruncate64(file, size);
}

static int synced(int file, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    char path[PATH_MAX];
    if (!under_length || !path_of(file, path)) return real(file);
    int failing = fails('s');
    if (failing && how == BEFORE) return not_done();
    flushed(path, failing && how == LOST, file);
    return failing ? not_done() : 0; /* nobody cuts the power of this machine: the real call would only take time */
}

int fsync(int file) {
    return synced(file, "fsync");
}

int fdatasync(int file) {
    return synced(file, "fdatasync");
}

int rename(const char *from, const char *to) {
    char a[PATH_MAX], b[PATH_MAX];
    if (!under_length || !whole_path(from, a) || !whole_path(to, b) || !(is_under(a) || is_under(b)))
        return real_rename(from, to);
    int failing = fails('r');
    if (failing && how == BEFORE) return not_done();
    int replaced = open(b, O_RDONLY);
    int done = real_rename(from, to);
    if (!done) {
        moved(undone, a, b);
        struct undo *name = remember(b);
        name->is_name = 1, name->replaced = replaced;
        snprintf(name->from, PATH_MAX, "%s", a);
    }
    return failing ? not_done() : done;
}

int link(const char *from, const char *to) {
    REAL(int, "link", const char *, const char *);
    char a[PATH_MAX];
    if (!under_length || !whole_path(to, a) || !is_under(a)) return real(from, to);
    int failing = fails('l');
    if (failing && how == BEFORE) return not_done();
    int done = real(from, to);
    if (!done) remember(a)->is_name = 1;
    return failing ? not_done() : done;
}

int unlink(const char *path) {
    char a[PATH_MAX];
    if (!under_length || !whole_path(path, a) || !is_under(a)) return real_unlink(path);
    int failing = fails('u');
    if (failing && how == BEFORE) return not_done();
    int done = real_unlink(path);
    return failing ? not_done() : done;
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    char a[PATH_MAX];
    if (!under_length || !whole_path(path, a) || !is_under(a)) return real(path, mode);
    int failing = fails('m');
    if (failing && how == BEFORE) return not_done();
    int done = real(path, mode);
    return failing ? not_done() : done;
}
