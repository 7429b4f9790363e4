/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of berthd: settings, then the path's lock, then the manager, then the door; on SIGTERM
 * the same backwards. */
#include <errno.h>
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/bus/berth-bus-names.h"
#include "plugin/daemon/berth-listener.h"
#include "plugin/daemon/berth-log.h"
#include "plugin/daemon/berth-service.h"
#include "plugin/daemon/berth-systemd.h"
#include "pool/berth-error.h"

#define SHUTDOWN_LIMIT_S 30
#define DRAIN_LIMIT_MS 2000
#define DRAIN_STEP_MS 10
#define MAX_FILES 65536

enum
{
  STATUS_OK = 0,
  STATUS_FAILED = 1,
  STATUS_USAGE = 2,
};

typedef struct
{
  gboolean foreground;
  gboolean print_config;
  gboolean show_version;
  char *config_path;
} Arguments;

typedef struct
{
  GMainLoop *loop;
  GCancellable *start_cancellable;
  BerthManager *manager;
  BerthListener *listener;
  BerthService *service;
  BerthSystemd *systemd;
  char *socket_path;
  char **argv; /* borrowed */
  gboolean is_ready;
  gboolean stopping;
  int status;
  guint n_drain_steps;
} Daemon;

static int
complain (int status, const char *text)
{
  fprintf (stderr, "berthd: %s\n", text);
  return status;
}

static gboolean
load_config (BerthConfig *config, const char *given_path, GError **error)
{
  return given_path != NULL ? berth_config_load_file (config, given_path, error)
                            : berth_config_load_default (config, error);
}

static void
arguments_clear (Arguments *arguments)
{
  g_free (arguments->config_path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, arguments_clear)

static gboolean
parse_arguments (Arguments *arguments, BerthConfig *config, char **argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &arguments->config_path,
      "Settings (default /etc/berth/berth.conf, users' ~/.config/berth/berth.conf)", "FILE" },
    { "foreground", 'f', 0, G_OPTION_ARG_NONE, &arguments->foreground,
      "Log to standard error even where that is the journal", NULL },
    { "print-config", 0, 0, G_OPTION_ARG_NONE, &arguments->print_config,
      "Print a berth.conf that explains every setting", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &arguments->show_version, "Print the version", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_auto (GStrv) copy = g_strdupv (argv);
  g_autoptr (GError) local = NULL;
  gboolean ok;

  g_option_context_set_summary (context, "Runs untrusted code in short-lived virtual machines, a "
                                         "bounded number of them at a time.");
  g_option_context_set_description (
      context, "Example: berthd --foreground --socket /tmp/b/berthd.sock --uri qemu:///session "
               "--max-vms 2\nSettings come from the defaults, then the file, then the options.");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, berth_config_get_option_group (config));
  ok = g_option_context_parse_strv (context, &copy, &local);
  if (!ok)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "%s ('berthd --help' lists the options)",
                 local->message);
  else if (copy[0] != NULL && copy[1] != NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "'%s' is no option", copy[1]);
  return ok && (copy[0] == NULL || copy[1] == NULL);
}

/* The options are read twice: once for --config (and to find their mistakes first), and again on
 * top of what the file says. */
static BerthConfig *
read_settings (Arguments *arguments, char **argv, GError **error)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (BerthConfig) scratch = berth_config_new ();
  g_auto (Arguments) again = { 0 };

  if (!parse_arguments (arguments, scratch, argv, error)
      || !load_config (config, arguments->config_path, error)
      || !parse_arguments (&again, config, argv, error))
    return NULL;
  return g_steal_pointer (&config);
}

/* What an administrator reads first in the log. */
static void
tell_ready (Daemon *self)
{
  g_autoptr (GVariant) status = berth_manager_dup_status (self->manager);
  g_autoptr (GVariant) libvirt = g_variant_lookup_value (status, "libvirt", G_VARIANT_TYPE_VARDICT);
  const char *uri = "(unknown URI)";
  const char *problem;

  if (libvirt != NULL && g_variant_lookup (libvirt, "kvm_problem", "&s", &problem))
    g_message ("KVM can't be used, guests run under emulation (TCG), slower: %s", problem);
  if (libvirt != NULL)
    g_variant_lookup (libvirt, "uri", "&s", &uri);
  g_log_structured ("berthd", G_LOG_LEVEL_MESSAGE, "BERTH_SOCKET", "%s", self->socket_path,
                    "BERTH_URI", "%s", uri, "MESSAGE", "berthd ready on %s, %s", self->socket_path,
                    uri);
  self->is_ready = TRUE;
  berth_systemd_notify (self->systemd, "READY=1\nSTATUS=serves requests");
}

/* Only who gets an answer from the main loop's and from the admission's thread is alive; before
 * READY=1 systemd waits for that alone. */
static gboolean
watchdog_cb (gpointer user_data)
{
  Daemon *self = user_data;
  g_autoptr (GVariant) status = berth_manager_dup_status (self->manager);

  if (status != NULL)
    berth_systemd_notify (self->systemd, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

static void
add_watchdog (Daemon *self)
{
  guint64 interval_ms = berth_systemd_get_watchdog_us (self->systemd) / 1000 / 2;

  if (interval_ms > 0)
    g_timeout_add ((guint)MIN (interval_ms, G_MAXUINT), watchdog_cb, self);
}

static void
fail (Daemon *self, int status, const GError *error)
{
  self->status = complain (status, error->message);
  g_main_loop_quit (self->loop);
}

static void
keep_port_cb (const char *name, int fd, gpointer user_data)
{
  berth_systemd_keep (user_data, name, fd);
}

static void
forget_port_cb (const char *name, gpointer user_data)
{
  berth_systemd_forget (user_data, name);
}

/* Whoever connects to a published port while there is no berthd waits in the kernel. */
static void
restore_ports (Daemon *self)
{
  char *next;
  int fd;

  while ((next = berth_systemd_steal_kept (self->systemd, &fd)) != NULL)
    {
      g_autofree char *name = next;

      berth_manager_restore_port (self->manager, name, fd);
    }
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Daemon *self = user_data;
  g_autoptr (GError) error = NULL;
  GSocket *socket;
  gboolean ok = berth_manager_start_finish (self->manager, result, &error);

  if (self->stopping)
    return; /* the shutdown is under way and ends the loop */
  if (!ok)
    {
      /* what the settings name will not be right by itself: the unit is not started again */
      gboolean is_setting = g_error_matches (error, BERTH_ERROR, BERTH_ERROR_CONFIG);

      fail (self, is_setting ? STATUS_USAGE : STATUS_FAILED, error);
      return;
    }
  restore_ports (self);
  socket = berth_listener_listen (self->listener, &error);
  if (socket == NULL || !berth_service_open (self->service, socket, &error))
    {
      fail (self, STATUS_FAILED, error);
      return;
    }
  tell_ready (self);
  add_watchdog (self);
}

/* A client that reads slowly may delay the end a little, not for ever. */
static gboolean
drain_cb (gpointer user_data)
{
  Daemon *self = user_data;

  if (berth_service_get_n_peers (self->service) > 0
      && ++self->n_drain_steps < DRAIN_LIMIT_MS / DRAIN_STEP_MS)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

static void
drain (Daemon *self)
{
  berth_service_drain (self->service);
  g_timeout_add (DRAIN_STEP_MS, drain_cb, self);
}

static void
shut_down_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Daemon *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!berth_manager_shutdown_finish (self->manager, result, &error))
    {
      g_warning ("not everything could be ended: %s", error->message);
      self->status = STATUS_FAILED;
    }
  drain (self);
}

static gboolean
shutdown_limit_cb (gpointer user_data)
{
  Daemon *self = user_data;

  g_warning ("gave up after %d s: the next start clears away what is left", SHUTDOWN_LIMIT_S);
  self->status = STATUS_FAILED;
  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
stop_cb (gpointer user_data)
{
  Daemon *self = user_data;

  if (self->stopping)
    {
      g_warning ("told to stop again: ends at once");
      self->status = STATUS_FAILED;
      g_main_loop_quit (self->loop);
      return G_SOURCE_CONTINUE;
    }
  self->stopping = TRUE;
  g_message ("berthd stops: no more requests, every VM is ended");
  berth_systemd_notify (self->systemd, "STOPPING=1\nSTATUS=ends every VM");
  g_cancellable_cancel (self->start_cancellable);
  berth_service_close (self->service);
  g_timeout_add_seconds (SHUTDOWN_LIMIT_S, shutdown_limit_cb, self);
  berth_manager_shutdown_async (self->manager, NULL, shut_down_cb, self);
  return G_SOURCE_CONTINUE;
}

/* For a berthd that is started again at once: another version, other settings. */
static gboolean
leave_cb (gpointer user_data)
{
  Daemon *self = user_data;

  if (self->stopping)
    return G_SOURCE_CONTINUE;
  self->stopping = TRUE;
  g_message ("berthd leaves: its VMs stay, the next start finds sessions and warm VMs again");
  berth_systemd_notify (self->systemd, "STOPPING=1\nSTATUS=leaves, its VMs stay");
  g_cancellable_cancel (self->start_cancellable);
  berth_service_close (self->service);
  drain (self);
  return G_SOURCE_CONTINUE;
}

/* Every client costs a descriptor, its programs three more; GLib never uses select(). */
static void
raise_file_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= MAX_FILES)
    return;
  limit.rlim_cur = MIN (limit.rlim_max, MAX_FILES);
  setrlimit (RLIMIT_NOFILE, &limit);
}

/* Where systemd listens for us, its path is the socket's, and nobody may have asked for another. */
static gboolean
use_passed_socket (BerthSystemd *systemd, BerthConfig *config, GError **error)
{
  const char *path = berth_systemd_get_socket_path (systemd);
  g_autofree char *usual = berth_config_dup_default_socket ();

  if (path == NULL || strcmp (config->socket, path) == 0)
    return TRUE;
  if (strcmp (config->socket, usual) == 0)
    return berth_config_set (config, "socket", path, "berthd.socket", error);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
               "setting socket=%s, but systemd listens on %s: leave the setting out, or change "
               "ListenStream= ('systemctl edit berthd.socket')",
               config->socket, path);
  return FALSE;
}

/* A mistake in the file is told, and what holds goes on holding. */
static gboolean
reload_cb (gpointer user_data)
{
  Daemon *self = user_data;
  g_auto (Arguments) arguments = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthConfig) config = NULL;

  if (self->stopping)
    return G_SOURCE_CONTINUE;
  if (self->is_ready)
    berth_systemd_notify_reloading (self->systemd);
  config = read_settings (&arguments, self->argv, &error);
  if (config != NULL && use_passed_socket (self->systemd, config, &error)
      && berth_manager_reload (self->manager, config, &error))
    berth_service_set_wait_timeout (self->service, config->wait_timeout_s);
  else
    g_warning ("the settings stay as they are: %s", error->message);
  if (self->is_ready)
    berth_systemd_notify (self->systemd, "READY=1");
  return G_SOURCE_CONTINUE;
}

static int
serve (BerthConfig *config, BerthSystemd *systemd, char **argv)
{
  const BerthPortKeeper keeper = { .keep = keep_port_cb, .forget = forget_port_cb };
  Daemon self = {
    .status = STATUS_OK, .systemd = systemd, .socket_path = g_strdup (config->socket), .argv = argv
  };
  g_autoptr (BerthHost) host = NULL;
  g_autoptr (GError) error = NULL;

  self.listener = berth_listener_new (config->socket, config->socket_group);
  if (berth_systemd_get_socket_path (systemd) != NULL)
    berth_listener_adopt (self.listener, berth_systemd_steal_socket (systemd));
  if (!berth_listener_claim (self.listener, &error))
    {
      berth_config_free (config);
      self.status = complain (STATUS_FAILED, error->message);
    }
  else
    {
      self.loop = g_main_loop_new (NULL, FALSE);
      self.start_cancellable = g_cancellable_new ();
      host = berth_host_new (config);
      self.manager = berth_manager_new (config, host);
      berth_manager_set_port_keeper (self.manager, &keeper, systemd);
      self.service = berth_service_new (self.manager, config->wait_timeout_s);
      g_unix_signal_add (SIGTERM, stop_cb, &self);
      g_unix_signal_add (SIGINT, stop_cb, &self);
      g_unix_signal_add (SIGHUP, reload_cb, &self);
      g_unix_signal_add (SIGUSR1, leave_cb, &self);
      berth_manager_start_async (self.manager, self.start_cancellable, started_cb, &self);
      g_main_loop_run (self.loop);
      berth_listener_close (self.listener);
      g_clear_object (&self.service);
      g_clear_object (&self.manager);
      g_clear_object (&self.start_cancellable);
      g_main_loop_unref (self.loop);
    }
  g_object_unref (self.listener);
  g_free (self.socket_path);
  return self.status;
}

int
main (int argc, char **argv)
{
  g_auto (Arguments) arguments = { 0 };
  g_autoptr (BerthConfig) config = NULL;
  g_autoptr (BerthSystemd) systemd = NULL;
  g_autoptr (GError) error = NULL;

  signal (SIGPIPE, SIG_IGN);
  /* every mode that is made here is meant: QEMU, another user, walks through folders of ours */
  umask (022);
  /* the options are read in it: a path may be in any script */
  setlocale (LC_CTYPE, "");
  config = read_settings (&arguments, argv, &error);
  if (config == NULL)
    return complain (STATUS_USAGE, error->message);
  if (arguments.show_version)
    return puts ("berthd " BERTH_VERSION) < 0 ? STATUS_FAILED : STATUS_OK;
  if (arguments.print_config)
    {
      g_autofree char *text = berth_config_dup_text (config);

      return fputs (text, stdout) < 0 ? STATUS_FAILED : STATUS_OK;
    }
  systemd = berth_systemd_new (&error);
  if (systemd == NULL || !use_passed_socket (systemd, config, &error))
    return complain (STATUS_USAGE, error->message);
  berth_log_install (arguments.foreground);
  berth_bus_register_errors ();
  raise_file_limit ();
  return serve (g_steal_pointer (&config), systemd, argv);
}
