/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the life-cycle tests on real guests through libvirt. How many domains there are is counted
 * from libvirt's own events, on a connection of the test's. Skipped where no libvirt answers. */
#include <glob.h>
#include <libvirt-glib/libvirt-glib.h>
#include <libvirt/libvirt.h>
#include <string.h>
#include <unistd.h>

#include "berth-libvirt.h"
#include "plugin/config/berth-config.h"
#include "libvirt-faults.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

#define PREFIX "berthtest"
#define SKIP 77 /* meson's exit status for a skipped test */

typedef struct
{
  virConnectPtr connection;
  char *uri;
  GHashTable *templates;
  LibvirtFaults *faults;
  GHashTable *running; /* names (owned) of the domains that run */
  guint max_running;
  BerthHypervisor *hypervisor; /* unowned: the one of the test under way */
} Host;

static Host *
get_host (void)
{
  static Host host; /* lint: static: one host to a test program */

  return &host;
}

static int
lifecycle_cb (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
  Host *host = get_host ();
  const char *name = virDomainGetName (domain);

  if (!g_str_has_prefix (name, PREFIX "-"))
    return 0;
  if (event == VIR_DOMAIN_EVENT_STARTED)
    g_hash_table_add (host->running, g_strdup (name));
  else if (event == VIR_DOMAIN_EVENT_STOPPED)
    g_hash_table_remove (host->running, name);
  host->max_running = MAX (host->max_running, g_hash_table_size (host->running));
  return 0;
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **into = user_data;

  *into = g_object_ref (result);
}

static BerthHypervisor *
new_hypervisor (void)
{
  Host *host = get_host ();
  BerthLibvirt *libvirt = berth_libvirt_new (host->uri, NULL, "lifecycle-test", PREFIX,
                                             libvirt_faults_get_image_dir (host->faults));
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  berth_host_set_places (BERTH_HOST (libvirt), 0, (const char *[]){ NULL }); /* no manager does */
  berth_host_open_async (BERTH_HOST (libvirt), host->templates, NULL, done_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (berth_host_finish (BERTH_HOST (libvirt), result, &error));
  g_assert_no_error (error);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (g_hash_table_size (host->running), ==, 0);
  host->max_running = 0;
  host->hypervisor = BERTH_HYPERVISOR (libvirt);
  return host->hypervisor;
}

static guint
count_domains (BerthHypervisor *hypervisor)
{
  Host *host = get_host ();
  g_autofree virDomainPtr *domains = NULL;
  int found = virConnectListAllDomains (host->connection, &domains, 0);
  guint count = 0;

  g_assert_cmpint (found, >=, 0);
  for (int i = 0; i < found; i++)
    {
      count += g_str_has_prefix (virDomainGetName (domains[i]), PREFIX "-");
      virDomainFree (domains[i]);
    }
  return count;
}

static guint
max_domains (BerthHypervisor *hypervisor)
{
  /* what libvirt has told by now */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  return get_host ()->max_running;
}

static void
kill_vm (BerthHypervisor *hypervisor, BerthVm *vm)
{
  const char *name = berth_host_get_domain_name (BERTH_HOST (hypervisor), vm);
  virDomainPtr domain = virDomainLookupByName (get_host ()->connection, name);

  g_assert_nonnull (domain);
  g_assert_cmpint (virDomainDestroy (domain), ==, 0);
  virDomainFree (domain);
}

static void
inject (BerthHypervisor *hypervisor, const char *step)
{
  libvirt_faults_inject (get_host ()->faults, step);
}

static void
run_cb (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  LifecycleDoneFunc done = (LifecycleDoneFunc)g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthResult) result
      = berth_host_exec_finish (BERTH_HOST (source), async_result, &error);

  if (error != NULL)
    g_test_message ("%s", error->message);
  done (result != NULL && result->exit_code == 0 && g_strcmp0 (result->stdout_data, "ok\n") == 0,
        g_object_get_data (G_OBJECT (task), "data"));
}

static void
run_ok (BerthHypervisor *hypervisor, BerthVm *vm, LifecycleDoneFunc done, gpointer user_data)
{
  g_autoptr (GBytes) code = g_bytes_new_static ("print('ok')", 11);
  GTask *task = g_task_new (NULL, NULL, NULL, NULL);

  g_task_set_task_data (task, (gpointer)done, NULL);
  g_object_set_data (G_OBJECT (task), "data", user_data);
  berth_host_exec_async (BERTH_HOST (hypervisor), vm, berth_exec_new (code), NULL, run_cb, task);
}

/* what libvirt and virtlogd keep of a domain while it lives */
static void
check_no_file_left (const char *pattern)
{
  glob_t found = { 0 };

  if (glob (pattern, GLOB_NOSORT, NULL, &found) == 0)
    g_error ("left behind: %s", found.gl_pathv[0]);
  globfree (&found);
}

static void
check_no_process_left (void)
{
  g_autoptr (GDir) processes = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (processes)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc", name, "cmdline", NULL);
      g_autofree char *line = NULL;
      gsize size = 0;

      if (g_ascii_isdigit (name[0]) && g_file_get_contents (path, &line, &size, NULL))
        g_assert_null (memmem (line, size, "guest=" PREFIX "-", strlen ("guest=" PREFIX "-")));
    }
}

static void
check_nothing_left (BerthHypervisor *hypervisor)
{
  g_assert_cmpuint (count_domains (hypervisor), ==, 0);
  check_no_process_left ();
  if (geteuid () != 0)
    return;
  check_no_file_left ("/var/lib/libvirt/qemu/domain-*-" PREFIX "-*");
  check_no_file_left ("/var/lib/libvirt/qemu/channel/target/domain-*-" PREFIX "-*");
  check_no_file_left ("/var/log/libvirt/qemu/" PREFIX "-*");
  check_no_file_left ("/etc/libvirt/qemu/" PREFIX "-*");
}

static const LifecycleBackend libvirt_backend = {
  .template_name = "python",
  .memory_mb = 192,
  .vcpus = 1,
  .n_load = 20,
  .n_cycles = 30,
  .timeout_s = 400,
  .faults = libvirt_faults,
  .new_hypervisor = new_hypervisor,
  .count_domains = count_domains,
  .max_domains = max_domains,
  .inject = inject,
  .kill = kill_vm,
  .run = run_ok,
  .check_nothing_left = check_nothing_left,
};

int
main (int argc, char **argv)
{
  Host *host = get_host ();
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GPtrArray) errors = NULL;
  const char *uri = g_getenv ("BERTH_URI");

  g_test_init (&argc, &argv, NULL);
  gvir_event_register ();
  host->uri = g_strdup (uri != NULL ? uri : geteuid () == 0 ? "qemu:///system" : "qemu:///session");
  host->connection = virConnectOpen (host->uri);
  host->templates = berth_template_load_all ((const char *const *)config->template_dirs,
                                             config->schema, &errors);
  host->faults = libvirt_faults_new (config->image_dir, config->schema, host->templates, PREFIX,
                                     geteuid () != 0);
  if (host->connection == NULL || host->faults == NULL)
    {
      g_printerr ("no libvirt at %s, or no image in %s\n", host->uri, config->image_dir);
      return SKIP;
    }
  host->running = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  virConnectDomainEventRegisterAny (host->connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                    VIR_DOMAIN_EVENT_CALLBACK (lifecycle_cb), NULL, NULL);
  lifecycle_tests_add (&libvirt_backend);
  return g_test_run ();
}
