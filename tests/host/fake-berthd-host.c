/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host that the tests' berthd and libberth are linked with instead of libvirt: VMs are names,
 * programs run on this machine, files are the real agent's. Templates play faults by their names:
 * "slow" boots a while, "fail-gone" and its like start with that error, "oom" runs out of memory,
 * "vanish" takes berthd along, "hostile" has files that lead out of every folder. */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"
#include "tests/host/fake-home.h"
#include "tests/host/fake-host.h"
#include "tests/host/fake-programs.h"

#define SLOW_START_US (1500 * G_TIME_SPAN_MILLISECOND)

typedef struct
{
  FakePrograms *programs;
  GHashTable *homes; /* BerthVm (owned) -> FakeHome (owned) */
} World;

static const char *const plain_names[] = { "slow", "oom", "vanish", "hostile", "own-template" };

#define FAULT(nick)                                                                                \
  {                                                                                                \
    "fail-" nick, "fail-" nick ": \x1b[31mfix it"                                                  \
  }

/* By the value of BerthError: the template, and what is told of it. */
static const struct
{
  const char *name;
  const char *step;
} faults[] = {
  FAULT ("invalid"),         FAULT ("no-capacity"),     FAULT ("wait-timed-out"),
  FAULT ("queue-full"),      FAULT ("shutting-down"),   FAULT ("unavailable"),
  FAULT ("start-timed-out"), FAULT ("outcome-unknown"), FAULT ("gone"),
  FAULT ("denied"),          FAULT ("config"),          FAULT ("internal"),
};

/* ---- starting ---- */

static void
boot (BerthVm *vm)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  GOutputStream *boot_log = berth_purpose_of (request)->boot_log;

  if (boot_log != NULL)
    g_output_stream_write_all (boot_log, "it boots\n", strlen ("it boots\n"), NULL, NULL, NULL);
}

/* On pool's thread. */
static void
script (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan, gpointer user_data)
{
  const char *name = berth_vm_get_template (vm);

  if (call == BERTH_FAKE_DESTROY && g_getenv ("BERTH_FAKE_QUIET") == NULL)
    g_message ("fake: sandbox %s is destroyed", berth_vm_get_id (vm));
  if (call != BERTH_FAKE_START)
    return;
  if (g_str_equal (name, "slow"))
    {
      plan->latency_us = SLOW_START_US;
      boot (vm);
    }
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    if (g_str_equal (name, faults[i].name))
      {
        plan->fail_step = faults[i].step;
        plan->fail_code = (gint)i;
      }
}

/* ---- what goes on in them ---- */

static FakeHome *
world_ensure_home (World *world, BerthVm *vm)
{
  FakeHome *home = g_hash_table_lookup (world->homes, vm);

  if (home != NULL)
    return home;
  home = fake_home_new (g_str_equal (berth_vm_get_template (vm), "hostile"));
  g_hash_table_insert (world->homes, g_object_ref (vm), home);
  return home;
}

static void
play_exec (BerthVm *vm, BerthExec *exec, GTask *task, gpointer user_data)
{
  World *world = user_data;
  FakeHome *home = g_hash_table_lookup (world->homes, vm);

  fake_programs_run (world->programs, vm, home != NULL ? fake_home_get_path (home) : "/", exec,
                     task);
  if (g_str_equal (berth_vm_get_template (vm), "vanish"))
    kill (getpid (), SIGKILL);
}

static void
play_background (BerthVm *vm, BerthBackgroundRequest *request, GTask *task, gpointer user_data)
{
  fake_programs_ask (((World *)user_data)->programs, vm, request, task);
}

static void
carried_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BerthFileResult *result = fake_home_file_finish (async_result, &error);

  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
  else
    g_task_return_error (task, error);
}

static void
play_file (BerthVm *vm, BerthFileRequest *file, GTask *task, gpointer user_data)
{
  fake_home_file_async (world_ensure_home (user_data, vm), file, g_task_get_cancellable (task),
                        carried_cb, task);
}

static void
play_ended (BerthVm *vm, gpointer user_data)
{
  World *world = user_data;

  fake_programs_end (world->programs, vm);
  g_hash_table_remove (world->homes, vm);
}

/* ---- templates: the shell's, under other names ---- */

static void
add_template (GHashTable *templates, const char *folder, const char *shell_xml, const char *name)
{
  g_autofree char *named = g_strdup_printf ("name='%s'", name);
  g_autofree char *included = g_strdup_printf ("href='%s/shared/", folder);
  g_autofree char *schema = g_build_filename (folder, "berth.rng", NULL);
  g_autoptr (GString) xml = g_string_new (shell_xml);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  BerthTemplate *template;
  int fd = g_file_open_tmp ("berth-fake-XXXXXX.xml", &path, &error);

  g_assert_no_error (error);
  g_string_replace (xml, "name='shell'", named, 1);
  g_string_replace (xml, "href='shared/", included, 0);
  g_assert_cmpint (write (fd, xml->str, xml->len), ==, (gssize)xml->len);
  close (fd);
  template = berth_template_load (path, schema, &error);
  g_assert_no_error (error);
  g_unlink (path);
  g_hash_table_insert (templates, g_strdup (name), template);
}

static void
play_open (GHashTable *templates, gpointer user_data)
{
  BerthTemplate *shell = g_hash_table_lookup (templates, "shell");
  g_autofree char *folder = NULL;
  g_autofree char *xml = NULL;

  if (shell == NULL || !g_file_get_contents (berth_template_get_path (shell), &xml, NULL, NULL))
    return;
  folder = g_path_get_dirname (berth_template_get_path (shell));
  for (guint i = 0; i < G_N_ELEMENTS (plain_names); i++)
    add_template (templates, folder, xml, plain_names[i]);
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    add_template (templates, folder, xml, faults[i].name);
}

/* ---- the host ---- */

static void
world_free (gpointer data)
{
  World *world = data;

  fake_programs_free (world->programs);
  g_hash_table_unref (world->homes);
  g_free (world);
}

BerthHost *
berth_host_new (const BerthConfig *config)
{
  const FakeHostPlay play = { .open = play_open,
                              .exec = play_exec,
                              .background = play_background,
                              .file = play_file,
                              .ended = play_ended };
  FakeHost *host = fake_host_new_real (config->uri, config->image_dir);
  World *world = g_new0 (World, 1);

  world->programs = fake_programs_new ();
  world->homes = g_hash_table_new_full (NULL, NULL, g_object_unref, (GDestroyNotify)fake_home_free);
  g_object_set_data_full (G_OBJECT (host), "world", world, world_free);
  fake_host_set_play (host, &play, world);
  berth_fake_hypervisor_set_script (fake_host_get_hypervisor (host), script, world);
  return BERTH_HOST (host);
}
