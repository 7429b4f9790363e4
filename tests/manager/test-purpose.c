/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VM is made for, on its way past admission. */
#include <string.h>

#include "plugin/host/berth-purpose.h"
#include "pool/berth-vm-private.h"

static BerthRequest *
request_for (const BerthPurpose *purpose)
{
  g_autoptr (GError) error = NULL;
  BerthRequest *request = berth_purpose_make_request (purpose, BERTH_SHAPE ("python", 192, 1), "t",
                                                      "k", 1000, -1, &error);

  g_assert_no_error (error);
  return request;
}

/* Only who wants neither a boot nor a snapshot may get a VM that stood by. */
static void
test_who_may_stand_by (void)
{
  g_autoptr (BerthVm) vm = berth_vm_new (BERTH_SHAPE ("python", 192, 1), NULL, 0);
  g_autoptr (BerthFork) fork = berth_fork_new (vm);
  const struct
  {
    BerthPurpose purpose;
    gboolean may_stand_by;
  } cases[] = {
    { { 0 }, TRUE },
    { { .is_session = TRUE, .idle_timeout_ms = 20000 }, TRUE },
    { { .is_cold = TRUE }, FALSE },
    { { .snapshot_name = "python" }, FALSE },
    { { .is_session = TRUE, .fork = fork }, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (BerthRequest) request = request_for (&cases[i].purpose);

      g_assert_cmpint (request->shape.may_stand_by, ==, cases[i].may_stand_by);
      g_assert_cmpstr (request->shape.template_name, ==, "python");
    }
}

/* Also of one that an earlier berthd began: of that nothing but words is left. */
static void
test_origin (void)
{
  g_autoptr (BerthVm) vm = berth_vm_new (BERTH_SHAPE ("python", 192, 1), NULL, 0);
  g_autoptr (BerthFork) fork = berth_fork_new (vm);
  const BerthForkBase base = { 0 };
  g_autoptr (BerthFork) kept = berth_fork_new_kept ("0123", "before", &base, -1);
  g_autoptr (BerthRequest) of_one = request_for (&(BerthPurpose){ .fork = fork });
  g_autoptr (BerthRequest) of_kept = request_for (&(BerthPurpose){ .fork = kept });
  g_autoptr (BerthRequest) of_words
      = request_for (&(BerthPurpose){ .parent = "0123", .checkpoint = "before" });

  g_assert_cmpstr (berth_purpose_of (of_one)->parent, ==, berth_vm_get_id (vm));
  g_assert_null (berth_purpose_of (of_one)->checkpoint);
  g_assert_cmpstr (berth_purpose_of (of_kept)->parent, ==, "0123");
  g_assert_cmpstr (berth_purpose_of (of_kept)->checkpoint, ==, "before");
  g_assert_cmpstr (berth_purpose_of (of_words)->parent, ==, "0123");
  g_assert_cmpstr (berth_purpose_of (of_words)->checkpoint, ==, "before");
}

/* The request has a copy, for as long as anybody has the request. */
static void
test_copy (void)
{
  g_autofree char *name = g_strdup ("1000:acme");
  GOutputStream *boot_log = g_memory_output_stream_new_resizable ();
  const BerthPurpose purpose = { .snapshot_name = name,
                                 .is_cold = TRUE,
                                 .is_session = TRUE,
                                 .idle_timeout_ms = 12345,
                                 .boot_log = boot_log };
  BerthRequest *request = request_for (&purpose);
  const BerthPurpose *copy = berth_purpose_of (request);

  memset (name, 'x', strlen (name));
  g_assert_cmpstr (copy->snapshot_name, ==, "1000:acme");
  g_assert_true (copy->is_cold && copy->is_session);
  g_assert_cmpuint (copy->idle_timeout_ms, ==, 12345);
  g_object_add_weak_pointer (G_OBJECT (boot_log), (gpointer *)&boot_log);
  g_object_unref (boot_log);
  g_assert_true (copy->boot_log == boot_log && boot_log != NULL);
  berth_request_unref (request);
  g_assert_null (boot_log);
}

/* Of nobody's VM, and of a request that says nothing: that of a run */
static void
test_none (void)
{
  g_autoptr (BerthRequest) plain
      = berth_request_new (BERTH_SHAPE ("python", 192, 1), NULL, NULL, 0, 0, NULL, NULL, NULL);
  const BerthRequest *requests[] = { NULL, plain };

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      const BerthPurpose *purpose = berth_purpose_of (requests[i]);

      g_assert_false (purpose->is_session || purpose->is_cold);
      g_assert_null (purpose->snapshot_name);
      g_assert_null (purpose->boot_log);
    }
}

/* What is refused leaves nothing behind. */
static void
test_refused (void)
{
  GOutputStream *boot_log = g_memory_output_stream_new_resizable ();
  const BerthPurpose purpose = { .boot_log = boot_log };

  g_assert_null (
      berth_purpose_make_request (&purpose, BERTH_SHAPE ("../x", 192, 1), NULL, NULL, 0, 0, NULL));
  g_object_add_weak_pointer (G_OBJECT (boot_log), (gpointer *)&boot_log);
  g_object_unref (boot_log);
  g_assert_null (boot_log);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/purpose/origin", test_origin);
  g_test_add_func ("/purpose/who-may-stand-by", test_who_may_stand_by);
  g_test_add_func ("/purpose/copy", test_copy);
  g_test_add_func ("/purpose/none", test_none);
  g_test_add_func ("/purpose/refused", test_refused);
  return g_test_run ();
}
