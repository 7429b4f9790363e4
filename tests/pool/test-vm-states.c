/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves the table of a VM's life: prints it, and compares it with the one that is checked in. */
#include "berth-request.h"
#include "berth-vm-private.h"

static char *
print_table (void)
{
  GString *table = g_string_new ("state \\ event");

  for (guint event = 0; event < BERTH_VM_N_EVENTS; event++)
    g_string_append_printf (table, " %-9s", berth_vm_event_to_string ((BerthVmEvent)event));
  while (table->str[table->len - 1] == ' ')
    g_string_truncate (table, table->len - 1);
  g_string_append_c (table, '\n');
  for (guint state = 0; state < BERTH_VM_N_STATES; state++)
    {
      g_string_append_printf (table, "%-13s", berth_vm_state_to_string ((BerthVmState)state));
      for (guint event = 0; event < BERTH_VM_N_EVENTS; event++)
        {
          BerthVmState next = BERTH_VM_STATE_GONE;
          gboolean is_edge = berth_vm_next_state ((BerthVmState)state, (BerthVmEvent)event, &next);

          g_string_append_printf (table, " %-9s", is_edge ? berth_vm_state_to_string (next) : "-");
        }
      while (table->str[table->len - 1] == ' ')
        g_string_truncate (table, table->len - 1);
      g_string_append_c (table, '\n');
    }
  return g_string_free (table, FALSE);
}

static void
test_table (void)
{
  g_autofree char *name = g_test_build_filename (G_TEST_DIST, "vm-states.txt", NULL);
  g_autofree char *expected = NULL;
  g_autofree char *actual = print_table ();

  g_assert_true (g_file_get_contents (name, &expected, NULL, NULL));
  if (g_strcmp0 (expected, actual) != 0)
    g_test_message ("the table is now:\n%s", actual);
  g_assert_cmpstr (actual, ==, expected);
}

/* 7: no way leads from a tenant's VM to the warm pool, by whatever events */
static void
test_claimed_is_never_warm_again (void)
{
  gboolean reachable[BERTH_VM_N_STATES] = { [BERTH_VM_STATE_CLAIMED] = TRUE };

  for (guint round = 0; round < BERTH_VM_N_STATES; round++)
    for (guint state = 0; state < BERTH_VM_N_STATES; state++)
      for (guint event = 0; reachable[state] && event < BERTH_VM_N_EVENTS; event++)
        {
          BerthVmState next = BERTH_VM_STATE_GONE;

          if (berth_vm_next_state ((BerthVmState)state, (BerthVmEvent)event, &next))
            reachable[next] = TRUE;
        }
  g_assert_false (reachable[BERTH_VM_STATE_WARM]);
  g_assert_false (reachable[BERTH_VM_STATE_STARTING]);
  g_assert_true (reachable[BERTH_VM_STATE_GONE]);
}

static void
test_fire (void)
{
  g_autoptr (BerthVm) vm = berth_vm_new (BERTH_SHAPE ("python", 192, 1), NULL, 5);

  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_STARTING);
  g_assert_true (berth_vm_holds_slot (vm));
  g_assert_false (berth_vm_fire (vm, BERTH_VM_EVENT_STUCK));
  g_assert_cmpint (berth_vm_get_state (vm), ==, BERTH_VM_STATE_STARTING);
  g_assert_true (berth_vm_fire (vm, BERTH_VM_EVENT_STARTED));
  g_assert_true (berth_vm_fire (vm, BERTH_VM_EVENT_GONE));
  g_assert_false (berth_vm_fire (vm, BERTH_VM_EVENT_GONE));
  g_assert_false (berth_vm_holds_slot (vm));
}

static void
test_identity (void)
{
  g_autoptr (BerthVm) vm = berth_vm_new (BERTH_SHAPE ("python", 192, 3), NULL, 5);
  g_autoptr (BerthVm) other = berth_vm_new (BERTH_SHAPE ("python", 192, 3), NULL, 5);
  g_autoptr (BerthRequest) request
      = berth_request_new (BERTH_SHAPE ("python", 192, 3), "acme", "42", 1, -1, NULL, NULL, NULL);
  g_autoptr (BerthRequest) dup = NULL;
  g_autofree char *reason = NULL;

  g_assert_cmpuint (strlen (berth_vm_get_id (vm)), ==, 32);
  g_assert_cmpuint (strspn (berth_vm_get_id (vm), "0123456789abcdef"), ==, 32);
  g_assert_cmpstr (berth_vm_get_id (vm), !=, berth_vm_get_id (other));
  g_assert_cmpstr (berth_vm_get_template (vm), ==, "python");
  g_assert_cmpuint (berth_vm_get_memory_mb (vm), ==, 192);
  g_assert_cmpuint (berth_vm_get_vcpus (vm), ==, 3);
  g_assert_cmpint (berth_vm_get_created_us (vm), ==, 5);

  g_assert_null (berth_vm_dup_request (vm));
  g_assert_cmpint (berth_vm_get_admitted_us (vm), ==, 0);
  berth_vm_set_request (vm, request, 7, TRUE);
  dup = berth_vm_dup_request (vm);
  g_assert_true (dup == request);
  g_assert_cmpint (berth_vm_get_admitted_us (vm), ==, 7);
  g_assert_true (berth_vm_was_warm (vm));

  g_assert_null (berth_vm_dup_end_reason (vm));
  berth_vm_set_end_reason (vm, "first");
  berth_vm_set_end_reason (vm, "second");
  reason = berth_vm_dup_end_reason (vm);
  g_assert_cmpstr (reason, ==, "first");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vm-states/table", test_table);
  g_test_add_func ("/vm-states/7-claimed-is-never-warm-again", test_claimed_is_never_warm_again);
  g_test_add_func ("/vm-states/fire", test_fire);
  g_test_add_func ("/vm-states/identity", test_identity);
  return g_test_run ();
}
