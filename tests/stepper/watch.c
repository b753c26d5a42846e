#define _GNU_SOURCE
#include "watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"

#define FILES 4
#define BYTES_MAX (1 << 18)

/* A file that was ever seen is watched until the end, also without a name. */
static struct watched {
    ino_t inode;
    int fd;
    size_t size;
    char *bytes;
    char seen[BYTES_MAX];
} files[FILES];
static int n_files, directory_fd;
static char part[128];
static uint64_t kernel_state; /* a hash of names and locks */

static uint64_t mixed(uint64_t hash, uint64_t value) { return (hash ^ value) * UINT64_C(0x100000001b3); }

/* Each lock of each other open file: a lock of this process's own too, which the descriptor here does not own. */
static uint64_t locks_of(int fd)
{
    struct flock lock;
    uint64_t hash = 0;

    for (int64_t from = LOCK_POLLER;; from = lock.l_start + 1) {
        lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = 0};
        if (fcntl(fd, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
            return hash;
        hash = mixed(hash, (uint64_t)lock.l_start);
    }
}

static void watch_bytes(struct watched *file, size_t size)
{
    if (size > BYTES_MAX || size == file->size)
        return;
    if (file->size)
        munmap(file->bytes, file->size);
    file->bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, file->fd, 0);
    if (file->bytes == MAP_FAILED)
        abort();
    file->size = size;
}

static struct watched *known(const char *name, const struct stat *found)
{
    int i = 0;

    while (i < n_files && files[i].inode != found->st_ino)
        i++;
    if (i == n_files) {
        if (i == FILES)
            abort();
        files[n_files++] = (struct watched){
            .inode = found->st_ino, .fd = openat(directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW)};
    }
    return &files[i];
}

static uint64_t look_at(const char *name)
{
    struct stat found;
    struct watched *file;
    uint64_t hash = 0;

    if (fstatat(directory_fd, name, &found, AT_SYMLINK_NOFOLLOW))
        return 0;
    file = known(name, &found);
    watch_bytes(file, (size_t)found.st_size);
    for (const char *c = name; *c; c++)
        hash = mixed(hash, (uint64_t)*c);
    return mixed(mixed(mixed(hash, found.st_mode), (uint64_t)found.st_size), found.st_ino);
}

static uint64_t look_at_kernel(void)
{
    char entries[8192];
    uint64_t hash = 0;
    ssize_t length;

    lseek(directory_fd, 0, SEEK_SET);
    while ((length = getdents64(directory_fd, entries, sizeof entries)) > 0)
        for (ssize_t at = 0; at < length;) {
            struct dirent64 *entry = (struct dirent64 *)(void *)&entries[at];

            if (strstr(entry->d_name, part))
                hash += look_at(entry->d_name);
            at += entry->d_reclen;
        }
    for (int i = 0; i < n_files; i++)
        hash = mixed(hash, locks_of(files[i].fd));
    return hash;
}

void watch_begin(const char *directory, const char *with)
{
    snprintf(part, sizeof part, "%s", with); /* the caller's goes */
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    watch_look(true);
}

bool watch_has_mapped(const void *address)
{
    for (int i = 0; i < n_files; i++)
        if (files[i].size && files[i].bytes == address)
            return true;
    return false;
}

bool watch_look(bool kernel_too)
{
    uint64_t before = kernel_state;
    bool changed;

    if (kernel_too)
        kernel_state = look_at_kernel();
    changed = kernel_state != before;
    for (int i = 0; i < n_files; i++)
        if (files[i].size && memcmp(files[i].bytes, files[i].seen, files[i].size)) {
            memcpy(files[i].seen, files[i].bytes, files[i].size);
            changed = true;
        }
    return changed;
}
