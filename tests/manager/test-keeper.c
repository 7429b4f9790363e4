/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what becomes of a template's snapshot: every state and every event that can meet, against
 * a table that is checked in; and when it is tried again, whose turn it is, who has a place. The
 * keeper by itself, on a host without VMs, whose clock stands still. */
#include "keeper-world.h"

/* ---- the states, and how each is come to ---- */

static void
be_none (World *world)
{
  world_start_up (world);
}

static void
be_checking (World *world)
{
  fake_host_hold (world->host, FAKE_HOST_PREPARE, TRUE);
  world_start (world);
}

static void
be_checking_one (World *world)
{
  fake_host_add_snapshot (world->host, NAME);
  be_checking (world);
}

static void
be_queued (World *world)
{
  world_start_up (world);
  fake_host_hold (world->host, FAKE_HOST_PREPARE, TRUE);
  want (world, OTHER);
  want (world, NAME);
}

static void
be_looking (World *world)
{
  world_start_up (world);
  fake_host_hold (world->host, FAKE_HOST_PREPARE, TRUE);
  want (world, NAME);
}

static void
be_booting (World *world)
{
  BerthFakeHypervisor *hypervisor = fake_host_get_hypervisor (world->host);

  world_start_up (world);
  berth_fake_hypervisor_hold_starts (hypervisor, TRUE);
  want (world, NAME);
  while (berth_fake_hypervisor_count_calls (hypervisor, BERTH_FAKE_START) == 0)
    {
      run_dry ();
      g_thread_yield ();
    }
}

static void
be_recording (World *world)
{
  world_start_up (world);
  fake_host_hold (world->host, FAKE_HOST_RECORD, TRUE);
  want (world, NAME);
  WAIT_UNTIL (fake_host_count_held (world->host, FAKE_HOST_RECORD) == 1);
}

static void
be_committing (World *world)
{
  world_start_up (world);
  fake_host_hold (world->host, FAKE_HOST_COMMIT, TRUE);
  want (world, NAME);
  WAIT_UNTIL (fake_host_count_held (world->host, FAKE_HOST_COMMIT) == 1);
}

static void
be_valid (World *world)
{
  fake_host_add_snapshot (world->host, NAME);
  world_start_up (world);
}

/* Valid until now, and looked at again */
static void
be_rechecking (World *world)
{
  be_valid (world);
  fake_host_hold (world->host, FAKE_HOST_PREPARE, TRUE);
  berth_snapshot_keeper_check_again (world->keeper);
}

/* The same, behind another whose turn it is */
static void
be_to_recheck (World *world)
{
  be_valid (world);
  fake_host_hold (world->host, FAKE_HOST_PREPARE, TRUE);
  want (world, OTHER);
  berth_snapshot_keeper_check_again (world->keeper);
}

/* One lies there that was not there at first. */
static void
be_finding (World *world)
{
  world_start_up (world);
  fake_host_add_snapshot (world->host, NAME);
  fake_host_hold (world->host, FAKE_HOST_PREPARE, TRUE);
  want (world, NAME);
}

static void
be_failed (World *world)
{
  world_start_up (world);
  fail_once (world);
}

/* ---- the events ---- */

static void
be_wanted (World *world)
{
  want (world, NAME);
}

static void
be_spoilt (World *world)
{
  berth_host_drop_snapshot (BERTH_HOST (world->host), NAME);
  berth_snapshot_keeper_note_spoilt (world->keeper, NAME, "spoilt");
}

static void
be_checked (World *world)
{
  berth_snapshot_keeper_check_again (world->keeper);
}

static void
be_retried (World *world)
{
  berth_snapshot_keeper_retry (world->keeper, NAME);
}

static void
boot (World *world)
{
  berth_snapshot_keeper_note_boot (world->keeper, NAME, TRUE);
}

static void
fail_to_boot (World *world)
{
  berth_snapshot_keeper_note_boot (world->keeper, NAME, FALSE);
}

static void
make (World *world)
{
  berth_snapshot_keeper_make_async (world->keeper, NAME, made_cb, world);
}

static void
be_removed (World *world)
{
  berth_snapshot_keeper_remove (world->keeper, NAME);
}

static void
be_targeted (World *world)
{
  berth_snapshot_keeper_set_target (world->keeper, NAME, 1, 1);
}

static void
pass_time (World *world)
{
  fake_host_hold (world->host, FAKE_HOST_PREPARE, TRUE);
  fake_host_advance (world->host, 20 * G_TIME_SPAN_MINUTE);
}

/* What is said of templates that nobody names is for those in use. */
static void
reload (World *world)
{
  world->config->warm_default = 1;
  berth_snapshot_keeper_reload (world->keeper, 4);
}

static void
be_stopped (World *world)
{
  berth_snapshot_keeper_stop (world->keeper);
}

#define NO_EVENT (-1)

typedef struct
{
  const char *name;
  void (*func) (World *world);
  gint event; /* of a step that is one: which in the keeper's table, or NO_EVENT */
} Step;

static const Step states[] = {
  { "none", be_none, NO_EVENT },
  { "checking", be_checking, NO_EVENT },
  { "checking-one", be_checking_one, NO_EVENT },
  { "queued", be_queued, NO_EVENT },
  { "looking", be_looking, NO_EVENT },
  { "finding", be_finding, NO_EVENT },
  { "to-recheck", be_to_recheck, NO_EVENT },
  { "rechecking", be_rechecking, NO_EVENT },
  { "booting", be_booting, NO_EVENT },
  { "recording", be_recording, NO_EVENT },
  { "committing", be_committing, NO_EVENT },
  { "valid", be_valid, NO_EVENT },
  { "failed", be_failed, NO_EVENT },
};

static const Step events[] = {
  { "wanted", be_wanted, BERTH_SNAPSHOT_ENTRY_WANTED },
  { "spoilt", be_spoilt, BERTH_SNAPSHOT_ENTRY_SPOILT },
  { "check-again", be_checked, BERTH_SNAPSHOT_ENTRY_CHECK },
  { "retry", be_retried, BERTH_SNAPSHOT_ENTRY_RETRY },
  { "booted", boot, BERTH_SNAPSHOT_ENTRY_BOOTED },
  { "boot-failed", fail_to_boot, NO_EVENT },
  { "make", make, BERTH_SNAPSHOT_ENTRY_MAKE },
  { "remove", be_removed, BERTH_SNAPSHOT_ENTRY_REMOVE },
  { "set-target", be_targeted, BERTH_SNAPSHOT_ENTRY_WARM_WANTED },
  { "20-minutes", pass_time, NO_EVENT },
  { "reload", reload, BERTH_SNAPSHOT_ENTRY_WARM_CHANGED },
  { "stop", be_stopped, NO_EVENT },
};

static const char *const reaction_names[]
    = { "ignore", "look", "tell", "fail", "outdate", "end", "clear" };

static const char *
state_of (World *world)
{
  static const char *const names[] = { "none", "failed", "checking", "making", "valid" };

  return names[entry_of (world, NAME)->state];
}

static const char *
answer_of (World *world)
{
  g_autoptr (GError) error = NULL;

  if (world->made == NULL)
    return "-";
  return berth_snapshot_keeper_make_finish (world->keeper, world->made, &error)
             ? "made"
             : berth_error_get_code (error);
}

/* What the keeper's table says of @event is what it did. */
static const char *
check_reaction (World *world, const Step *event, BerthSnapshotEntryState before)
{
  BerthSnapshotEntryState after = entry_of (world, NAME)->state;
  BerthSnapshotReaction reaction = BERTH_SNAPSHOT_IGNORE;

  if (event->event != NO_EVENT)
    reaction = berth_snapshot_entry_get_reaction (before, (BerthSnapshotEntryEvent)event->event);
  if (reaction == BERTH_SNAPSHOT_LOOK)
    g_assert_cmpint (after, ==, BERTH_SNAPSHOT_ENTRY_MAKING);
  else if (reaction == BERTH_SNAPSHOT_FAIL)
    g_assert_cmpint (after, ==, BERTH_SNAPSHOT_ENTRY_FAILED);
  else if (reaction == BERTH_SNAPSHOT_END)
    g_assert_cmpint (after, ==, BERTH_SNAPSHOT_ENTRY_NONE);
  else if (event->event != NO_EVENT)
    g_assert_cmpint (after, ==, before);
  return event->event != NO_EVENT ? reaction_names[reaction] : "-";
}

/* A line: the state, the event, what the keeper's table says of it, the state right after it and
 * when all has come to rest, how often it was looked for since, how many recordings were made
 * since, the pool's target, and what the administrator heard who asked for a new one. */
static void
append_line (GString *table, const Step *state, const Step *event)
{
  World world = { 0 };
  BerthSnapshotEntryState before;
  const char *reaction;
  g_autofree char *after = NULL;
  guint looks, recordings;

  world_begin (&world, "shared");
  state->func (&world);
  looks = count_looks (&world);
  recordings = fake_host_count_calls (world.host, FAKE_HOST_RECORD);
  before = entry_of (&world, NAME)->state;
  event->func (&world);
  reaction = check_reaction (&world, event, before);
  after = g_strdup (state_of (&world));
  come_to_rest (&world);
  g_string_append_printf (table, "%-12s %-11s %-7s %-8s %-8s %u %u %u %s\n", state->name,
                          event->name, reaction, after, state_of (&world),
                          count_looks (&world) - looks,
                          fake_host_count_calls (world.host, FAKE_HOST_RECORD) - recordings,
                          count_in_pool (&world, "target"), answer_of (&world));
  world_end (&world);
}

static void
test_table (void)
{
  g_autofree char *name = g_test_build_filename (G_TEST_DIST, "keeper-states.txt", NULL);
  g_autofree char *wanted = NULL;
  g_autoptr (GString) table = g_string_new (
      "state        event       does    after    at-rest  looks recordings target caller\n");

  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    for (guint j = 0; j < G_N_ELEMENTS (events); j++)
      append_line (table, &states[i], &events[j]);
  g_assert_true (g_file_get_contents (name, &wanted, NULL, NULL));
  if (g_strcmp0 (table->str, wanted) != 0)
    g_test_message ("the table is now:\n%s", table->str);
  g_assert_cmpstr (table->str, ==, wanted);
}

/* What is removed is what was there: not what is made after it. */
static void
test_removed_while_looked_for (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  be_looking (&world);
  be_removed (&world);
  come_to_rest (&world);
  be_checked (&world);
  come_to_rest (&world);
  g_assert_cmpstr (state_of (&world), ==, "valid");
  world_end (&world);
}

/* A reload asks for what a start would: templates that the settings name. */
static void
test_reload (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  world_start_up (&world);
  g_assert_true (berth_config_set (world.config, "warm", NAME "=0..2", "test", NULL));
  reload (&world);
  come_to_rest (&world);
  g_assert_cmpstr (state_of (&world), ==, "valid");
  g_assert_cmpuint (count_looks (&world), ==, g_hash_table_size (world.keeper->entries) + 1);
  world_end (&world);
}

/* 2 s, 4 s ... up to 10 minutes after a failure, and not a microsecond before */
static void
test_back_off (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  world_start_up (&world);
  fail_once (&world);
  for (guint failures = 1; failures < 13; failures++)
    {
      gint64 wait_s = MIN (1 << failures, 600);
      guint looks = count_looks (&world);

      g_assert_cmpuint (entry_of (&world, NAME)->failures, ==, failures);
      fake_host_fail (world.host, FAKE_HOST_RECORD, error_new ("again"));
      fake_host_advance (world.host, wait_s * G_TIME_SPAN_SECOND - 1);
      g_assert_cmpuint (count_looks (&world), ==, looks);
      fake_host_advance (world.host, 1);
      come_to_rest (&world);
      g_assert_cmpuint (count_looks (&world), ==, looks + 1);
      g_assert_cmpstr (entry_of (&world, NAME)->last_error, ==, "again");
    }
  fake_host_fail (world.host, FAKE_HOST_RECORD, NULL);
  fake_host_advance (world.host, 600 * G_TIME_SPAN_SECOND);
  come_to_rest (&world);
  g_assert_cmpuint (entry_of (&world, NAME)->failures, ==, 0);
  g_assert_null (entry_of (&world, NAME)->last_error);
  world_end (&world);
}

/* A boot that succeeds is believed once; after one that failed, once more. */
static void
test_encouragement (void)
{
  static const struct
  {
    gboolean is_success;
    guint looks;
  } boots[] = { { TRUE, 1 }, { TRUE, 0 }, { FALSE, 0 }, { TRUE, 1 }, { TRUE, 0 } };
  World world = { 0 };

  world_begin (&world, "shared");
  world_start_up (&world);
  fail_once (&world);
  fake_host_fail (world.host, FAKE_HOST_RECORD, error_new ("still"));
  for (guint i = 0; i < G_N_ELEMENTS (boots); i++)
    {
      guint looks = count_looks (&world);

      berth_snapshot_keeper_note_boot (world.keeper, NAME, boots[i].is_success);
      come_to_rest (&world);
      g_assert_cmpuint (count_looks (&world) - looks, ==, boots[i].looks);
    }
  world_end (&world);
}

/* One is made at a time, in the order asked. */
static void
test_turns (void)
{
  const char *names[] = { "shell", NAME, OTHER };
  World world = { 0 };

  world_begin (&world, "shared");
  world_start_up (&world);
  fake_host_hold (world.host, FAKE_HOST_COMMIT, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    want (&world, names[i]);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      WAIT_UNTIL (fake_host_count_held (world.host, FAKE_HOST_COMMIT) == 1);
      g_assert_cmpstr (world.keeper->turns.maker->name, ==, names[i]);
      g_assert_cmpuint (fake_host_count_calls (world.host, FAKE_HOST_RECORD), ==, i + 1);
      fake_host_hold (world.host, FAKE_HOST_COMMIT, FALSE);
      fake_host_hold (world.host, FAKE_HOST_COMMIT, TRUE);
    }
  come_to_rest (&world);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_true (fake_host_has_snapshot (world.host, names[i]));
  world_end (&world);
}

/* It is told once that all are known, when the last has been looked for; and then those that are
 * named in the settings are made. */
static void
test_start (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  g_assert_true (berth_config_set (world.config, "warm", "shell=1", "test", NULL));
  fake_host_add_snapshot (world.host, NAME);
  fake_host_hold (world.host, FAKE_HOST_PREPARE, TRUE);
  world_start (&world);
  run_dry ();
  g_assert_cmpuint (world.n_ready, ==, 0);
  come_to_rest (&world);
  g_assert_cmpuint (world.n_ready, ==, 1);
  g_assert_cmpint (entry_of (&world, NAME)->state, ==, BERTH_SNAPSHOT_ENTRY_VALID);
  g_assert_cmpint (entry_of (&world, "shell")->state, ==, BERTH_SNAPSHOT_ENTRY_VALID);
  g_assert_cmpint (entry_of (&world, OTHER)->state, ==, BERTH_SNAPSHOT_ENTRY_NONE);
  world_end (&world);
}

static void
assert_made_error (World *world, const char *name, BerthError code)
{
  g_autoptr (GError) error = NULL;

  berth_snapshot_keeper_make_async (world->keeper, name, made_cb, world);
  WAIT_UNTIL (world->made != NULL);
  g_assert_false (berth_snapshot_keeper_make_finish (world->keeper, world->made, &error));
  g_assert_error (error, BERTH_ERROR, (gint)code);
  g_clear_object (&world->made);
}

static void
test_turned_off (void)
{
  World world = { 0 };

  world_begin (&world, "none");
  world_start_up (&world);
  want (&world, NAME);
  berth_snapshot_keeper_set_target (world.keeper, NAME, 2, 2);
  assert_made_error (&world, NAME, BERTH_ERROR_CONFIG);
  g_assert_cmpuint (count_looks (&world), ==, 0);
  assert_described (&world, "snapshot", "'off'");
  world_end (&world);
}

static void
test_nobody_makes (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  world_start_up (&world);
  assert_made_error (&world, "cobol", BERTH_ERROR_INVALID);
  berth_snapshot_keeper_stop (world.keeper);
  assert_made_error (&world, NAME, BERTH_ERROR_SHUTTING_DOWN);
  world_end (&world);
}

/* The administrator hears why there is none, and of its size where there is one. */
static void
test_description (void)
{
  World world = { 0 };

  world_begin (&world, "shared");
  world_start_up (&world);
  assert_described (&world, "snapshot", "'none'");
  fail_once (&world);
  assert_described (&world, "snapshot", "'failed'");
  assert_described (&world, "snapshot_failures", "1");
  assert_described (&world, "last_error", "'no recording'");
  berth_snapshot_keeper_retry (world.keeper, NAME);
  come_to_rest (&world);
  assert_described (&world, "snapshot", "'valid'");
  assert_described (&world, "snapshots", "1");
  assert_described (&world, "snapshot_mb", "5");
  assert_described (&world, "last_error", "-");
  world_end (&world);
}

static void
want_of (World *world, const char *tenant, guint32 uid)
{
  g_autoptr (BerthRequest) request = request_of (NAME, tenant, uid);

  berth_snapshot_keeper_want (world->keeper, request);
  come_to_rest (world);
}

/* The most that is wanted is no less than the least. */
static void
test_least_and_most (void)
{
  World world = { 0 };
  const BerthWarmTarget *target;

  world_begin (&world, "shared");
  world_start_up (&world);
  berth_snapshot_keeper_set_target (world.keeper, NAME, 2, 1);
  target = g_hash_table_lookup (world.keeper->targets, NAME);
  g_assert_cmpuint (target->min, ==, 2);
  g_assert_cmpuint (target->max, ==, 2);
  berth_snapshot_keeper_set_target (world.keeper, "cobol", 2, 1); /* nobody's */
  world_end (&world);
}

/* Each tenant has its own, as many as there are places; one that nobody asked for in ten minutes
 * gives its place away, one that is in use does not. */
static void
test_tenants (void)
{
  World world = { 0 };

  world_begin (&world, "tenant");
  world.config->tenant_snapshots = 2;
  world_start_up (&world);
  g_assert_cmpuint (g_hash_table_size (world.keeper->entries), ==, 0);
  want_of (&world, "a", 1000);
  want_of (&world, "a", 1000);
  want_of (&world, "b", 1000);
  g_assert_cmpuint (fake_host_count_calls (world.host, FAKE_HOST_RECORD), ==, 2);
  want_of (&world, "c", 1000);
  g_assert_cmpuint (fake_host_count_calls (world.host, FAKE_HOST_RECORD), ==, 2);
  assert_described (&world, "snapshots", "2");
  assert_made_error (&world, NAME, BERTH_ERROR_CONFIG);
  fake_host_advance (world.host, 10 * G_TIME_SPAN_MINUTE);
  want_of (&world, "b", 1000);
  fake_host_advance (world.host, 1);
  want_of (&world, "c", 1000);
  g_assert_cmpuint (fake_host_count_calls (world.host, FAKE_HOST_RECORD), ==, 3);
  g_assert_cmpuint (g_hash_table_size (world.keeper->entries), ==, 2);
  assert_described (&world, "snapshots", "2");
  want_of (&world, "a", 1000); /* b is in use, c is new */
  g_assert_cmpuint (fake_host_count_calls (world.host, FAKE_HOST_RECORD), ==, 3);
  world_end (&world);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* a snapshot that fails is a warning */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_test_add_func ("/keeper/table", test_table);
  g_test_add_func ("/keeper/removed-while-looked-for", test_removed_while_looked_for);
  g_test_add_func ("/keeper/reload", test_reload);
  g_test_add_func ("/keeper/back-off", test_back_off);
  g_test_add_func ("/keeper/encouragement", test_encouragement);
  g_test_add_func ("/keeper/turns", test_turns);
  g_test_add_func ("/keeper/start", test_start);
  g_test_add_func ("/keeper/turned-off", test_turned_off);
  g_test_add_func ("/keeper/nobody-makes", test_nobody_makes);
  g_test_add_func ("/keeper/description", test_description);
  g_test_add_func ("/keeper/least-and-most", test_least_and_most);
  g_test_add_func ("/keeper/tenants", test_tenants);
  return g_test_run ();
}
