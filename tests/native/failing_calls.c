/* failing_calls.c - each call into the C library that can fail does so, at each of its places, with each plausible error: once,
 * and from then on. Each trial is a process of its own, which ends as processes do. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "os.h"
#include "scratch.h"

/* ---- The calls. Defined here, they are found before the C library's. */
static long calls, first_failure = -1; /* -1: none fails */
static bool fails_on;
static int error;

static bool fails(void)
{
    long call = calls++;

    if (first_failure < 0 || (fails_on ? call < first_failure : call != first_failure))
        return false;
    errno = error;
    return true;
}

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    CHECK(found);
    return found;
}

#define REAL(name, type) ((type)real(name))

int open(const char *path, int flags, ...)
{
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails() ? -1 : REAL("open", int (*)(const char *, int, ...))(path, flags, mode);
}
ssize_t read(int fd, void *to, size_t bytes)
{
    return fails() ? -1 : REAL("read", ssize_t (*)(int, void *, size_t))(fd, to, bytes);
}
int fstat(int fd, struct stat *file) { return fails() ? -1 : REAL("fstat", int (*)(int, struct stat *))(fd, file); }
void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return fails() ? MAP_FAILED : REAL("mmap", void *(*)(void *, size_t, int, int, int, off_t))(at, bytes, protection, flags, fd, offset);
}
int madvise(void *at, size_t bytes, int advice)
{
    return fails() ? -1 : REAL("madvise", int (*)(void *, size_t, int))(at, bytes, advice);
}
int fcntl(int fd, int command, ...)
{
    va_list rest;
    void *argument;

    va_start(rest, command);
    argument = va_arg(rest, void *);
    va_end(rest);
    return fails() ? -1 : REAL("fcntl", int (*)(int, int, ...))(fd, command, argument);
}
char *strdup(const char *text) { return fails() ? NULL : REAL("strdup", char *(*)(const char *))(text); }
int posix_fallocate(int fd, off_t at, off_t bytes)
{
    return fails() ? error : REAL("posix_fallocate", int (*)(int, off_t, off_t))(fd, at, bytes);
}
long syscall(long number, ...)
{
    long arguments[6];
    va_list rest;

    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_futex && fails())
        return -1;
    return REAL("syscall", long (*)(long, ...))(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                                                arguments[5]);
}
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    return fails() ? -1 : REAL("renameat2", int (*)(int, const char *, int, const char *, unsigned))(from_at, from, to_at, to, flags);
}

int unlink(const char *path) { return fails() ? -1 : REAL("unlink", int (*)(const char *))(path); }

/* ---- What is tried, in a process of its own. */
static struct limiter l;

static void is_an_answer(enum shmlimit_status status) { CHECK(status != SHMLIMIT_CORRUPT && status != SHMLIMIT_LOST); }

static void attach_and_detach(void)
{
    struct fault fault;
    enum shmlimit_status status = limiter_attach(&l, scratch_path(), false, &fault);

    is_an_answer(status);
    if (status == SHMLIMIT_OK)
        limiter_detach(&l);
}

static void observe(void)
{
    struct fault fault;
    enum shmlimit_status status = limiter_attach(&l, scratch_path(), true, &fault);

    is_an_answer(status);
    if (status == SHMLIMIT_OK)
        limiter_detach(&l);
}

static void create(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(4, 1);
    char private[300], public[300];
    struct fault fault;
    int fd;

    snprintf(private, sizeof private, "%s-private", scratch_path());
    snprintf(public, sizeof public, "%s-public", scratch_path());
    fd = open(private, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (segment_format(fd, &settings, &fault) == SHMLIMIT_OK && limiter_attach(&l, private, false, &fault) == SHMLIMIT_OK) {
            is_an_answer(limiter_publish(&l, public, &fault));
            limiter_detach(&l);
        }
        close(fd);
    }
    unlink(private);
    unlink(public);
}

static void make_another(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(4, 1);
    struct fault fault;
    char path[300];
    int fd;

    snprintf(path, sizeof path, "%s-another", scratch_path());
    CHECK((fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0);
    CHECK_EQUAL(segment_format(fd, &settings, &fault), SHMLIMIT_OK);
    close(fd);
    CHECK_EQUAL(limiter_attach(&l, path, false, &fault), SHMLIMIT_OK);
}

static void remove_it(void)
{
    enum shmlimit_status status = limiter_remove(&l);
    struct permit permit;

    is_an_answer(status);
    CHECK_EQUAL(scratch_try(&l, 1000, &permit), SHMLIMIT_ORPHANED);
    first_failure = -1;
    if (error != ENOENT) /* which says that it is gone already */
        CHECK_EQUAL(access(l.path, F_OK), status == SHMLIMIT_OK ? -1 : 0);
    CHECK_EQUAL(limiter_remove(&l), SHMLIMIT_OK);
    limiter_detach(&l);
}

static void use(void)
{
    struct permit first, second;
    uint32_t taken_back;

    if (scratch_try(&l, 1000, &first) == SHMLIMIT_OK) {
        enum shmlimit_status status = scratch_enter(&l, 1000, &second);

        is_an_answer(status);
        if (status == SHMLIMIT_QUEUED) {
            status = limiter_wait(&l, &second, os_now_us() + 200);
            is_an_answer(status);
            if (status == SHMLIMIT_INTERRUPTED)
                CHECK_EQUAL(limiter_leave(&l, &second), SHMLIMIT_OK);
        }
        CHECK(limiter_release(&l, &first));
    }
    is_an_answer(poller_sleep(&l, load32(&l.header->poller.bell), os_now_us() + 200));
    is_an_answer(limiter_reap(&l, &taken_back));
    if (poller_elect(&l) == SHMLIMIT_OK)
        poller_resign(&l);
    limiter_detach(&l);
}

static void attached(void) { scratch_attach(&l); }

static void inherited(void)
{
    pid_t child;
    int status;

    attached();
    if (!(child = fork()))
        return;
    CHECK(waitpid(child, &status, 0) == child);
    limiter_detach(&l);
    exit(WEXITSTATUS(status));
}

static int open_files(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int files = 0;

    CHECK(directory);
    while (readdir(directory))
        files++;
    closedir(directory);
    return files;
}

enum { NO_CALL_WAS_LEFT = 9 };

static bool try_it(void (*begin)(void), void (*act)(void), int leaves)
{
    pid_t pid;
    int status;

    fflush(stdout);
    if (!(pid = fork())) {
        long fails_at = first_failure;
        int files;

        first_failure = -1;
        if (begin)
            begin();
        files = open_files();
        calls = 0;
        first_failure = fails_at;
        act();
        first_failure = -1;
        CHECK(open_files() <= files - leaves); /* a child has closed its parent's already */
        exit(calls <= fails_at ? NO_CALL_WAS_LEFT : 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == NO_CALL_WAS_LEFT);
    return WEXITSTATUS(status) == 0;
}

static void each_call_fails(const char *scene, void (*begin)(void), void (*act)(void))
{
    static const int errors[] = {EINTR, EACCES, EPERM, EAGAIN, ENOENT, ENOTDIR, ENOMEM, EIO, EINVAL, ENOSYS, EOPNOTSUPP};
    struct segment_settings settings = SCRATCH_SETTINGS(4, 1);
    long trials = 0;

    check_scene = scene;
    scratch_segment(&settings);
    for (size_t mode = 0; mode < 2; mode++)
        for (size_t i = mode; i < sizeof errors / sizeof *errors; i++) { /* for ever interrupted is not plausible */
            fails_on = mode;
            error = errors[i];
            for (long at = 0;; at++, trials++) {
                bool is_left;

                first_failure = at;
                is_left = try_it(begin, act, begin == attached || begin == make_another);
                first_failure = -1;
                if (!is_left)
                    break;
            }
        }
    attached();
    scratch_check_empty(&l);
    scratch_check_limit(&l, 1);
    limiter_detach(&l);
    printf("%s: %ld trials\n", scene, trials);
}

static void a_call_that_fails_is_a_clean_answer_and_leaves_nothing_open(void)
{
    each_call_fails("attach", NULL, attach_and_detach);
    each_call_fails("observe", NULL, observe);
    each_call_fails("create", NULL, create);
    each_call_fails("use", attached, use);
    each_call_fails("use in a forked child", inherited, use);
    each_call_fails("remove", make_another, remove_it);
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(a_call_that_fails_is_a_clean_answer_and_leaves_nothing_open),
    };

    check_bounded(1500); /* under valgrind, on a busy machine */
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
