#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admission.h"
#include "host.h"
#include "patience.h"
#include "queue.h"
#include "reaper.h"

/* All attachments of this process. The fork handlers hold the lock across fork, so a child never sees it half-changed
 * or taken by a thread that it does not have. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct limiter *registry;

/* The number of forks between the first process and this one, on a page that the kernel clears in a child
 * (MADV_WIPEONFORK): so a child made by a raw clone(), which runs no handler, is noticed too. */
static _Atomic uint64_t *epoch_page;
static uint64_t epoch_before_fork;

uint64_t limiter_epoch(void)
{
    uint64_t epoch = atomic_load_explicit(epoch_page, memory_order_relaxed);

    if (!epoch) {
        epoch = ++epoch_before_fork;
        atomic_store(epoch_page, epoch);
    }
    return epoch;
}

bool limiter_is_current(const struct limiter *l)
{
    return l->epoch == atomic_load_explicit(epoch_page, memory_order_relaxed);
}

static void before_fork(void) { pthread_mutex_lock(&registry_lock); }
static void after_fork_in_parent(void) { pthread_mutex_unlock(&registry_lock); }

/* The child shares its parent's open files, and with them the byte locks: kept open, they would make a dead parent look
 * alive for as long as the child lives. Closing here does not unlock: the parent's descriptor remains. */
static void after_fork_in_child(void)
{
    for (struct limiter *l = registry; l; l = l->next) {
        close(l->fd);
        l->fd = -1;
    }
    atomic_store(epoch_page, ++epoch_before_fork);
    host_clock_forget();
    pthread_mutex_unlock(&registry_lock);
}

/* A call that a supported platform has: it lacks it, or has run out of something for the moment. */
static enum shmlimit_status failed(struct fault *fault, const char *what, int error)
{
    *fault = (struct fault){.what = what, .error = error};
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == EPERM || error == EACCES
               ? SHMLIMIT_UNSUPPORTED
               : SHMLIMIT_SYSTEM;
}

static enum shmlimit_status process_start(struct fault *fault)
{
    void *page;
    int error;

    if ((error = -host_clock_read()))
        return failed(fault, "time namespace", error);
    if (epoch_page)
        return SHMLIMIT_OK;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return failed(fault, "mmap", errno);
    if (madvise(page, 4096, MADV_WIPEONFORK)) {
        error = errno;
        munmap(page, 4096);
        return failed(fault, "madvise(MADV_WIPEONFORK)", error);
    }
    if ((error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child))) {
        munmap(page, 4096);
        return failed(fault, "pthread_atfork", error);
    }
    epoch_before_fork = 1;
    epoch_page = page;
    atomic_store(epoch_page, 1);
    return SHMLIMIT_OK;
}

#define PROBES_MAX 1024

/* Some sandboxes and file systems accept these calls and do something else: without them the promises are void. */
static enum shmlimit_status check_platform(const struct limiter *l, struct fault *fault)
{
    int64_t byte = LOCK_BASE * 2 + getpid();
    shared32 word = 0;
    int other = segment_reopen(l), unrelated, rc, held;

    if (other < 0)
        return segment_reopen_failed(other, fault);
    /* In another pid namespace somebody with our pid may be at the same test. */
    for (int tries = 0; (rc = os_lock(l->fd, byte)) == 0 && tries < PROBES_MAX; tries++)
        byte++;
    if (rc != 1)
        rc = rc < 0 ? rc : -EOPNOTSUPP;
    else if ((unrelated = segment_reopen(l)) >= 0)
        close(unrelated);
    if (rc == 1 && (held = os_lock_is_held(other, byte)) != 1)
        rc = held < 0 ? held : -EOPNOTSUPP;
    os_unlock(l->fd, byte);
    close(other);
    if (rc < 0)
        return failed(fault, "open-file-description locks", -rc);
    if ((rc = os_futex_wait(&word, 1, UINT64_MAX)) && rc != -EINTR)
        return failed(fault, "shared futexes", -rc);
    return SHMLIMIT_OK;
}

static enum shmlimit_status join(struct limiter *l, struct fault *fault)
{
    enum shmlimit_status status = participants_join(l, fault);
    uint32_t taken_back = 0;

    if (status == SHMLIMIT_PARTICIPANTS_FULL && reaper_sweep_table(l, &taken_back) == SHMLIMIT_OK)
        status = participants_join(l, fault);
    if (status == SHMLIMIT_OK) {
        l->epoch = limiter_epoch();
        atomic_store(&l->last_slot, l->index % l->n_slots);
    }
    return status;
}

static enum shmlimit_status attach_checked(struct limiter *l, struct fault *fault)
{
    enum shmlimit_status status = limiter_audit(l, fault);

    if (status != SHMLIMIT_OK && status != SHMLIMIT_WOULD_BLOCK)
        return status;
    if (l->observer) {
        l->epoch = limiter_epoch();
        return SHMLIMIT_OK;
    }
    if ((status = check_platform(l, fault)) != SHMLIMIT_OK || (status = join(l, fault)) != SHMLIMIT_OK)
        return status;
    /* Unlinked between open and join: the name may mean another segment by now. */
    return segment_is_orphan(l) ? SHMLIMIT_NOT_FOUND : SHMLIMIT_OK;
}

enum shmlimit_status limiter_attach(struct limiter *l, const char *path, bool observer, struct fault *fault)
{
    enum shmlimit_status status;

    *fault = (struct fault){0};
    patience_begin();
    pthread_mutex_lock(&registry_lock);
    if ((status = process_start(fault)) == SHMLIMIT_OK
        && (status = segment_open(l, path, observer, fault)) == SHMLIMIT_OK) {
        if ((status = attach_checked(l, fault)) == SHMLIMIT_OK) {
            l->next = registry;
            registry = l;
        } else
            segment_close(l);
    }
    pthread_mutex_unlock(&registry_lock);
    return status;
}

void limiter_detach(struct limiter *l)
{
    uint32_t taken_back = 0;
    struct queue_outlook outlook;

    patience_begin();
    pthread_mutex_lock(&registry_lock);
    for (struct limiter **at = &registry; *at; at = &(*at)->next)
        if (*at == l) {
            *at = l->next;
            break;
        }
    pthread_mutex_unlock(&registry_lock);
    if (!l->observer && limiter_is_current(l)) {
        reaper_reclaim(l, l->index, load64(&l->participants[l->index].word), &taken_back);
        os_unlock(l->fd, LOCK_BASE + l->index);
        queue_grant(l, false, &outlook);
    }
    segment_close(l);
}

enum shmlimit_status attach_renew(struct limiter *l)
{
    enum shmlimit_status status = SHMLIMIT_OK;
    struct fault fault = {0};

    pthread_mutex_lock(&registry_lock);
    if (l->epoch != limiter_epoch()) {
        if (l->fd >= 0)
            close(l->fd); /* after a raw clone: still the parent's open file */
        l->is_poller = false;
        host_clock_forget();
        l->fd = segment_reopen(l);
        if (l->fd < 0)
            status = segment_reopen_failed(l->fd, &fault) == SHMLIMIT_NOT_FOUND ? SHMLIMIT_ORPHANED : SHMLIMIT_SYSTEM;
        else if ((fault.error = -host_clock_read()))
            status = SHMLIMIT_SYSTEM;
        else if (l->observer)
            l->epoch = limiter_epoch();
        else
            status = join(l, &fault);
        errno = fault.error;
    }
    pthread_mutex_unlock(&registry_lock);
    return status;
}

enum shmlimit_status limiter_renew(struct limiter *l)
{
    patience_begin();
    return attach_ready(l);
}

void limiter_retire(struct limiter *l)
{
    shared32 *flags = &l->header->settings.flags;
    uint32_t seen = load32(flags), pass = 0;

    patience_begin();
    /* flags -> flags | RETIRED, for ever. Pairs with gate_read() of every admission after the bump.
     * Crash: before: slow paths find the lost name by themselves; after: nobody is admitted, releases still work. */
    while (!(seen & FLAG_RETIRED) && patience_lasts(pass++, 0)
           && !atomic_compare_exchange_strong(flags, &seen, seen | FLAG_RETIRED))
        STEP();
    admission_bump(l);
    add32(&l->header->poller.bell, 1);
    os_futex_wake(&l->header->poller.bell);
}

/* The name may be another segment's by now, and must then stay. */
static int take_name_away(const struct limiter *l)
{
    int fd = segment_reopen(l), rc = 0;

    if (fd < 0)
        return fd == -ESTALE ? 0 : fd;
    if (unlink(l->path))
        rc = errno == ENOENT ? 0 : -errno;
    close(fd);
    return rc;
}

enum shmlimit_status limiter_remove(struct limiter *l)
{
    int rc;

    limiter_retire(l);
    /* Between looking whose the name is and taking it away nobody else may take it away, or a third could give it anew.
     * Crash: the kernel frees the lock, and whoever opens the limiter next does this again. */
    if ((rc = os_lock(l->fd, LOCK_REMOVAL)) == 0)
        return SHMLIMIT_WOULD_BLOCK;
    if (rc > 0) {
        rc = take_name_away(l);
        os_unlock(l->fd, LOCK_REMOVAL);
    }
    errno = -rc;
    return rc < 0 ? SHMLIMIT_SYSTEM : SHMLIMIT_OK;
}
