/* envelope.c - which files are attached, which are not, and what is said of those: each field wrong, each kind of file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "check.h"
#include "os.h"
#include "scratch.h"

static struct limiter l;
static struct fault fault;
static char beside[300];

static void begin(void)
{
    struct segment_settings settings = SCRATCH_SETTINGS(4, 2);

    scratch_segment(&settings);
    snprintf(beside, sizeof beside, "%s-b", scratch_path());
}

static enum shmlimit_status attach(void)
{
    enum shmlimit_status status = limiter_attach(&l, scratch_path(), false, &fault);

    if (status == SHMLIMIT_OK)
        limiter_detach(&l);
    return status;
}

static uint64_t swap_word(size_t at, uint64_t value)
{
    uint64_t before;
    int fd = open(scratch_path(), O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK(pread(fd, &before, 8, (off_t)at) == 8 && pwrite(fd, &value, 8, (off_t)at) == 8);
    close(fd);
    return before;
}

static void expect(enum shmlimit_status status, const char *what)
{
    check_scene = what;
    CHECK_EQUAL(attach(), status);
    CHECK(fault.what && !strcmp(fault.what, what));
}

static void each_wrong_field_of_the_envelope_is_named(void)
{
    static const struct {
        size_t at;
        uint64_t flipped;
        enum shmlimit_status status;
        const char *what;
    } cases[] = {
        {offsetof(struct envelope, magic), 1, SHMLIMIT_CORRUPT, "magic"},
        {offsetof(struct envelope, envelope_version), 2, SHMLIMIT_INCOMPATIBLE, "envelope version"},
        {offsetof(struct envelope, envelope_version), UINT64_C(2) << 32, SHMLIMIT_INCOMPATIBLE, "layout version"},
        {offsetof(struct envelope, abi_hash), 1, SHMLIMIT_INCOMPATIBLE, "ABI hash"},
        {offsetof(struct envelope, boot_id[0]), 1, SHMLIMIT_INCOMPATIBLE, "boot id"},
        {offsetof(struct envelope, boot_id[1]), 1, SHMLIMIT_INCOMPATIBLE, "boot id"},
        {offsetof(struct envelope, n_slots), UINT64_C(1) << 32, SHMLIMIT_CORRUPT, "participants"},
        {offsetof(struct envelope, n_slots), 4, SHMLIMIT_CORRUPT, "slots"},
        {offsetof(struct envelope, n_slots), 0x10000, SHMLIMIT_CORRUPT, "slots"},
        {offsetof(struct envelope, n_slots), 1, SHMLIMIT_CORRUPT, "total size"},
        {offsetof(struct envelope, total_size), 64, SHMLIMIT_CORRUPT, "total size"},
    };

    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t right = swap_word(cases[i].at, 0);

        swap_word(cases[i].at, right ^ cases[i].flipped);
        expect(cases[i].status, cases[i].what);
        CHECK(fault.found != fault.expected);
        swap_word(cases[i].at, right);
        CHECK_EQUAL(attach(), SHMLIMIT_OK);
    }
}

static void broken_invariants_are_found_when_attaching(void)
{
    begin();
    swap_word(offsetof(struct header, admission), admission_word(1000, false, OP_NONE, 0, 0));
    expect(SHMLIMIT_CORRUPT, "sum of permits in thousandths");
    swap_word(offsetof(struct header, admission), admission_word(0, false, OP_CODES, 0, 0));
    expect(SHMLIMIT_CORRUPT, "admission word");
    swap_word(offsetof(struct header, admission), admission_word(0, false, OP_CANCEL, 4, 0));
    expect(SHMLIMIT_CORRUPT, "admission word");
    swap_word(offsetof(struct header, admission), 0);
    swap_word(SLOTS_OFFSET, slot_word(SLOT_CLAIMED, 3, 1));
    expect(SHMLIMIT_CORRUPT, "slot word");
    swap_word(SLOTS_OFFSET, slot_word(SLOT_STATES, 0, 1));
    expect(SHMLIMIT_CORRUPT, "slot word");
    swap_word(SLOTS_OFFSET, slot_word(SLOT_WAITING, 1024, 1));
    expect(SHMLIMIT_CORRUPT, "slot word");
    swap_word(SLOTS_OFFSET, slot_word(SLOT_FREE, NOBODY, 1));
    CHECK_EQUAL(attach(), SHMLIMIT_OK);
}

static void a_file_that_is_not_ours_alone_is_refused(void)
{
    begin();
    CHECK(!chmod(scratch_path(), 0640));
    expect(SHMLIMIT_REFUSED, "file mode");
    CHECK(!chmod(scratch_path(), 0600));
    CHECK(!link(scratch_path(), beside));
    expect(SHMLIMIT_REFUSED, "link count");
    CHECK(!unlink(beside));
    if (geteuid() == 0) {
        CHECK(!chown(scratch_path(), 12345, (gid_t)-1));
        expect(SHMLIMIT_REFUSED, "owner uid");
        CHECK(!chown(scratch_path(), 0, (gid_t)-1));
    }
    CHECK_EQUAL(attach(), SHMLIMIT_OK);
}

static void a_file_of_another_kind_is_refused(void)
{
    begin();
    CHECK(!rename(scratch_path(), beside) && !symlink(beside, scratch_path()));
    expect(SHMLIMIT_REFUSED, "file kind");
    CHECK(!unlink(scratch_path()) && !mkfifo(scratch_path(), 0600));
    expect(SHMLIMIT_REFUSED, "file kind");
    CHECK(!unlink(scratch_path()));
    CHECK_EQUAL(attach(), SHMLIMIT_NOT_FOUND);
    CHECK(!rename(beside, scratch_path()));
    CHECK_EQUAL(attach(), SHMLIMIT_OK);
}

static void a_cut_file_is_corrupt(void)
{
    static const size_t lengths[] = {0, 63, 64, sizeof(struct header) - 1, sizeof(struct header), SEGMENT_SIZE(4) - 1};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        begin();
        CHECK(!truncate(scratch_path(), (off_t)lengths[i]));
        expect(SHMLIMIT_CORRUPT, "file size");
    }
}

static void a_name_is_given_once(void)
{
    struct limiter second;

    begin();
    scratch_attach(&l);
    second = (struct limiter){.path = strdup(beside)};
    CHECK(!close(open(beside, O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0600)));
    CHECK_EQUAL(limiter_publish(&second, scratch_path(), &fault), SHMLIMIT_EXISTS);
    CHECK(!strcmp(second.path, beside));
    free(second.path);
    CHECK(!unlink(beside));
    CHECK_EQUAL(limiter_publish(&l, beside, &fault), SHMLIMIT_OK);
    CHECK(access(scratch_path(), F_OK) && !access(beside, F_OK));
    CHECK_EQUAL(limiter_publish(&l, scratch_path(), &fault), SHMLIMIT_OK);
    limiter_detach(&l);
}

static void who_removes_takes_only_its_own_name_and_one_at_a_time(void)
{
    struct permit permit;
    struct limiter other;

    begin();
    scratch_attach(&l);
    scratch_attach(&other);
    CHECK_EQUAL(os_lock(other.fd, LOCK_REMOVAL), 1);
    CHECK_EQUAL(limiter_remove(&l), SHMLIMIT_WOULD_BLOCK);
    CHECK(!access(scratch_path(), F_OK));
    CHECK_EQUAL(scratch_try(&l, 1000, &permit), SHMLIMIT_ORPHANED);
    CHECK_EQUAL(os_unlock(other.fd, LOCK_REMOVAL), 0);
    CHECK(!rename(scratch_path(), beside));
    CHECK(!close(open(scratch_path(), O_CREAT | O_EXCL | O_CLOEXEC | O_WRONLY, 0600)));
    CHECK_EQUAL(limiter_remove(&l), SHMLIMIT_OK); /* another's */
    CHECK(!access(scratch_path(), F_OK));
    CHECK(!rename(beside, scratch_path()));
    CHECK_EQUAL(limiter_remove(&l), SHMLIMIT_OK);
    CHECK(access(scratch_path(), F_OK));
    CHECK_EQUAL(limiter_remove(&other), SHMLIMIT_OK); /* it has none any more */
    limiter_detach(&other);
    limiter_detach(&l);
}

static void who_lost_the_name_admits_nobody(void)
{
    struct permit permit, extra;

    begin();
    scratch_attach(&l);
    permit = scratch_hold(&l);
    CHECK_EQUAL(scratch_try(&l, 1000, &extra), SHMLIMIT_OK);
    CHECK(!unlink(scratch_path()));
    CHECK_EQUAL(scratch_try(&l, 1000, &extra), SHMLIMIT_ORPHANED);
    CHECK(limiter_release(&l, &permit));
    CHECK_EQUAL(scratch_enter(&l, 1000, &extra), SHMLIMIT_ORPHANED);
    limiter_detach(&l);
}

/* Two containers that share the file may both have this pid. */
static void another_process_at_the_same_platform_test_is_no_obstacle(void)
{
    int fd;

    begin();
    fd = open(scratch_path(), O_RDWR | O_CLOEXEC);
    CHECK_EQUAL(os_lock(fd, LOCK_BASE * 2 + getpid()), 1);
    CHECK_EQUAL(attach(), SHMLIMIT_OK);
    close(fd);
}

static void a_full_participant_table_is_said_and_the_dead_make_room(void)
{
    struct limiter observer;

    begin();
    for (uint32_t i = 0; i < PARTICIPANTS; i++)
        swap_word(PARTICIPANTS_OFFSET + i * sizeof(struct participant), participant_word(PARTICIPANT_LIVE, 0));
    CHECK_EQUAL(attach(), SHMLIMIT_OK);
    for (uint32_t i = 0; i < PARTICIPANTS; i++)
        swap_word(PARTICIPANTS_OFFSET + i * sizeof(struct participant), participant_word((enum participant_state)3, 0));
    CHECK_EQUAL(attach(), SHMLIMIT_PARTICIPANTS_FULL);
    CHECK_EQUAL(limiter_attach(&observer, scratch_path(), true, &fault), SHMLIMIT_OK);
    limiter_detach(&observer);
}

static void a_full_slot_table_is_said(void)
{
    struct permit permits[5];

    begin();
    scratch_attach(&l);
    for (int i = 0; i < 4; i++)
        CHECK_EQUAL(scratch_enter(&l, 1000, &permits[i]), i < 2 ? SHMLIMIT_OK : SHMLIMIT_QUEUED);
    CHECK_EQUAL(scratch_enter(&l, 1000, &permits[4]), SHMLIMIT_QUEUE_FULL);
    CHECK_EQUAL(limiter_leave(&l, &permits[3]), SHMLIMIT_OK);
    CHECK_EQUAL(scratch_enter(&l, 1000, &permits[4]), SHMLIMIT_QUEUED);
    limiter_detach(&l);
}

int main(int argc, char **argv)
{
    static const struct property properties[] = {
        PROPERTY(each_wrong_field_of_the_envelope_is_named),
        PROPERTY(broken_invariants_are_found_when_attaching),
        PROPERTY(a_file_that_is_not_ours_alone_is_refused),
        PROPERTY(a_file_of_another_kind_is_refused),
        PROPERTY(a_cut_file_is_corrupt),
        PROPERTY(a_name_is_given_once),
        PROPERTY(who_removes_takes_only_its_own_name_and_one_at_a_time),
        PROPERTY(who_lost_the_name_admits_nobody),
        PROPERTY(another_process_at_the_same_platform_test_is_no_obstacle),
        PROPERTY(a_full_participant_table_is_said_and_the_dead_make_room),
        PROPERTY(a_full_slot_table_is_said),
    };

    check_bounded(60);
    return check_run(properties, sizeof properties / sizeof *properties, argc, argv);
}
