#define _GNU_SOURCE
#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "words.h"

static uint64_t hash_step(uint64_t hash, uint64_t value) { return (hash ^ value) * UINT64_C(0x100000001b3); }

/* Changes when any offset, size or constant that both sides must agree on changes. */
static uint64_t abi_hash(void)
{
    static const uint64_t facts[] = {
        offsetof(struct header, settings), offsetof(struct header, admission), offsetof(struct header, gate),
        offsetof(struct header, poller), offsetof(struct header, queue), offsetof(struct header, config),
        offsetof(struct settings, flags), offsetof(struct poller, reason), offsetof(struct queue, high_water),
        offsetof(struct participant, granted), offsetof(struct slot, wake), offsetof(struct slot, cool_until),
        sizeof(struct header), sizeof(struct participant), sizeof(struct slot), sizeof(struct label),
        PARTICIPANTS, LIMIT_MAX, (uint64_t)LOCK_BASE, SLOT_STATES, OP_CODES,
    };
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        hash = hash_step(hash, facts[i]);
    return hash;
}

static enum shmlimit_status failed(struct fault *fault, const char *what)
{
    *fault = (struct fault){.what = what, .error = errno};
    return SHMLIMIT_SYSTEM;
}

static enum shmlimit_status mismatch(struct fault *fault, enum shmlimit_status status, const char *what, uint64_t found,
                                     uint64_t expected)
{
    *fault = (struct fault){.what = what, .found = found, .expected = expected};
    return status;
}

/* The file is private to its creator until it is published, so plain order does not matter here. */
static void fill_header(struct header *h, const struct segment_settings *s, const uint64_t id[2], uint64_t now_ms)
{
    uint64_t word;

    fill64(&h->envelope.magic, SEGMENT_MAGIC);
    fill32(&h->envelope.envelope_version, ENVELOPE_VERSION);
    fill32(&h->envelope.layout_version, LAYOUT_VERSION);
    fill64(&h->envelope.abi_hash, abi_hash());
    fill64(&h->envelope.total_size, SEGMENT_SIZE(s->n_slots));
    fill64(&h->envelope.boot_id[0], id[0]);
    fill64(&h->envelope.boot_id[1], id[1]);
    fill32(&h->envelope.n_slots, s->n_slots);
    fill32(&h->envelope.n_participants, PARTICIPANTS);
    fill64(&h->settings.limits, limits_word(s->limit, s->configured, s->reduced ? now_ms : 0));
    fill64(&h->settings.cooldown_us, s->cooldown_us);
    fill64(&h->settings.slot_timeout_us, s->slot_timeout_us);
    fill64(&h->settings.stale_after_us, s->stale_after_us);
    fill64(&h->settings.settle_us, s->settle_us);
    fill32(&h->settings.flags, s->flags);
    fill32(&h->settings.follow, s->follow);
    fill64(&h->config_length, s->config_length);
    for (size_t i = 0; i < s->config_length; i += sizeof word) {
        size_t rest = s->config_length - i;

        word = 0;
        memcpy(&word, s->config + i, rest < sizeof word ? rest : sizeof word);
        fill64(&h->config[i / sizeof word], word);
    }
}

/* fallocate before the first store: a full file system is ENOSPC here, never SIGBUS later. */
enum shmlimit_status segment_format(int fd, const struct segment_settings *settings, struct fault *fault)
{
    size_t size = SEGMENT_SIZE(settings->n_slots);
    struct header *header;
    struct slot *slots;
    uint64_t id[2];

    /* A segment with a wrong boot id would be of no use to anybody. */
    if ((errno = -host_boot_id(id)))
        return failed(fault, "boot id");
    if ((errno = -host_clock_read()))
        return failed(fault, "time namespace");
    do
        errno = posix_fallocate(fd, 0, (off_t)size);
    while (errno == EINTR);
    if (errno)
        return failed(fault, "fallocate");
    header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (header == MAP_FAILED)
        return failed(fault, "mmap");
    fill_header(header, settings, id, os_now_us() / 1000);
    slots = (struct slot *)((char *)header + SLOTS_OFFSET);
    for (uint32_t i = 0; i < settings->n_slots; i++)
        fill64(&slots[i].word, slot_word(SLOT_FREE, NOBODY, 0));
    munmap(header, size);
    return SHMLIMIT_OK;
}

static enum shmlimit_status check_file(const struct stat *file, struct fault *fault)
{
    if (!S_ISREG(file->st_mode))
        return mismatch(fault, SHMLIMIT_REFUSED, "file kind", file->st_mode & S_IFMT, S_IFREG);
    if (file->st_uid != geteuid())
        return mismatch(fault, SHMLIMIT_REFUSED, "owner uid", file->st_uid, geteuid());
    if (file->st_mode & 077)
        return mismatch(fault, SHMLIMIT_REFUSED, "file mode", file->st_mode & 0777, 0600);
    if (file->st_nlink == 0)
        return SHMLIMIT_NOT_FOUND;
    if (file->st_nlink != 1)
        return mismatch(fault, SHMLIMIT_REFUSED, "link count", file->st_nlink, 1);
    if (file->st_size < (off_t)sizeof(struct header))
        return mismatch(fault, SHMLIMIT_CORRUPT, "file size", (uint64_t)file->st_size, sizeof(struct header));
    return SHMLIMIT_OK;
}

/* Each field is loaded once; what is used later is the checked copy in private memory. */
static enum shmlimit_status check_envelope(struct limiter *l, uint64_t file_size, struct fault *fault)
{
    const struct envelope *e = &l->header->envelope;
    uint64_t id[2];
    uint64_t found;

    if ((found = load64(&e->magic)) != SEGMENT_MAGIC)
        return mismatch(fault, SHMLIMIT_CORRUPT, "magic", found, SEGMENT_MAGIC);
    if ((found = load32(&e->envelope_version)) != ENVELOPE_VERSION)
        return mismatch(fault, SHMLIMIT_INCOMPATIBLE, "envelope version", found, ENVELOPE_VERSION);
    if ((found = load32(&e->layout_version)) != LAYOUT_VERSION)
        return mismatch(fault, SHMLIMIT_INCOMPATIBLE, "layout version", found, LAYOUT_VERSION);
    if ((found = load64(&e->abi_hash)) != abi_hash())
        return mismatch(fault, SHMLIMIT_INCOMPATIBLE, "ABI hash", found, abi_hash());
    if ((errno = -host_boot_id(id)))
        return failed(fault, "boot id");
    if ((found = load64(&e->boot_id[0])) != id[0])
        return mismatch(fault, SHMLIMIT_INCOMPATIBLE, "boot id", found, id[0]);
    if ((found = load64(&e->boot_id[1])) != id[1])
        return mismatch(fault, SHMLIMIT_INCOMPATIBLE, "boot id", found, id[1]);
    if ((found = load32(&e->n_participants)) != PARTICIPANTS)
        return mismatch(fault, SHMLIMIT_CORRUPT, "participants", found, PARTICIPANTS);
    found = load32(&e->n_slots);
    if (found < 1 || found > SLOTS_MAX)
        return mismatch(fault, SHMLIMIT_CORRUPT, "slots", found, SLOTS_MAX);
    l->n_slots = (uint32_t)found;
    if ((found = load64(&e->total_size)) != SEGMENT_SIZE(l->n_slots))
        return mismatch(fault, SHMLIMIT_CORRUPT, "total size", found, SEGMENT_SIZE(l->n_slots));
    if (file_size < SEGMENT_SIZE(l->n_slots))
        return mismatch(fault, SHMLIMIT_CORRUPT, "file size", file_size, SEGMENT_SIZE(l->n_slots));
    return SHMLIMIT_OK;
}

static enum shmlimit_status map(struct limiter *l, uint64_t file_size, struct fault *fault)
{
    enum shmlimit_status status;

    l->size = file_size < SEGMENT_SIZE(SLOTS_MAX) ? file_size : SEGMENT_SIZE(SLOTS_MAX);
    l->header = mmap(NULL, l->size, l->observer ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
    if (l->header == MAP_FAILED) {
        l->header = NULL;
        return failed(fault, "mmap");
    }
    status = check_envelope(l, file_size, fault);
    l->participants = (struct participant *)((char *)l->header + PARTICIPANTS_OFFSET);
    l->slots = (struct slot *)((char *)l->header + SLOTS_OFFSET);
    l->labels = (struct label *)((char *)l->header + LABELS_OFFSET(l->n_slots));
    return status;
}

/* A mapping keeps its open file alive, in a forked child too, and with it any lock it owns: a dead parent would look
 * alive. So the locks belong to an open file that is never mapped. */
static enum shmlimit_status open_for_locks(struct limiter *l, struct fault *fault)
{
    int fd = segment_reopen(l);

    if (fd < 0)
        return segment_reopen_failed(fd, fault);
    close(l->fd);
    l->fd = fd;
    return SHMLIMIT_OK;
}

static int open_file(const char *path, bool observer)
{
    int fd;

    do
        fd = open(path, (observer ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    while (fd < 0 && errno == EINTR);
    return fd;
}

enum shmlimit_status segment_open(struct limiter *l, const char *path, bool observer, struct fault *fault)
{
    enum shmlimit_status status;
    struct stat file;

    *l = (struct limiter){.observer = observer, .index = NOBODY};
    l->fd = open_file(path, observer);
    if (l->fd < 0) {
        if (errno == ENOENT)
            return SHMLIMIT_NOT_FOUND;
        if (errno == ELOOP)
            return mismatch(fault, SHMLIMIT_REFUSED, "file kind", S_IFLNK, S_IFREG);
        return failed(fault, "open");
    }
    if (fstat(l->fd, &file))
        status = failed(fault, "fstat");
    else if ((status = check_file(&file, fault)) == SHMLIMIT_OK
             && (status = map(l, (uint64_t)file.st_size, fault)) == SHMLIMIT_OK) {
        l->device = file.st_dev;
        l->inode = file.st_ino;
        status = (l->path = strdup(path)) ? open_for_locks(l, fault) : failed(fault, "strdup");
    }
    if (status != SHMLIMIT_OK)
        segment_close(l);
    return status;
}

void segment_close(struct limiter *l)
{
    if (l->header)
        munmap(l->header, l->size);
    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    l->header = NULL;
    l->path = NULL;
    l->fd = -1;
}

int segment_reopen(const struct limiter *l)
{
    struct stat file;
    int fd = open_file(l->path, l->observer), error;

    if (fd < 0)
        return errno == ENOENT ? -ESTALE : -errno;
    error = fstat(fd, &file) ? errno : ESTALE;
    if (error == ESTALE && file.st_dev == l->device && file.st_ino == l->inode)
        return fd;
    close(fd);
    return -error;
}

enum shmlimit_status segment_reopen_failed(int rc, struct fault *fault)
{
    if (rc == -ESTALE)
        return SHMLIMIT_NOT_FOUND;
    errno = -rc;
    return failed(fault, "open");
}

bool segment_is_orphan(const struct limiter *l)
{
    struct stat file;

    return !fstat(l->fd, &file) && file.st_nlink == 0;
}

enum shmlimit_status limiter_publish(struct limiter *l, const char *path, struct fault *fault)
{
    char *published = strdup(path);

    if (!published)
        return failed(fault, "strdup");
    /* Not link(2) and unlink(2): killed in between, the segment would keep two names for ever. */
    if (renameat2(AT_FDCWD, l->path, AT_FDCWD, path, RENAME_NOREPLACE)) {
        enum shmlimit_status status = errno == EEXIST ? SHMLIMIT_EXISTS : failed(fault, "renameat2");

        free(published);
        return status;
    }
    free(l->path);
    l->path = published;
    return SHMLIMIT_OK;
}
