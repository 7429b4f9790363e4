/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few words that berth says to QEMU itself, past libvirt. */
#include "berth-qmp.h"

#include <json-glib/json-glib.h>
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "berth-libvirt-error.h"

#define POLL_US 1000
/* 0.4 MB of state take 30 to 90 ms (design.md, the libvirt table) */
#define TIMEOUT_US (30 * G_USEC_PER_SEC)
/* Of an answer that is looked at; a status takes some 2 KiB. A QEMU that its guest has broken out
 * into says what it likes, and json-glib calls itself for each bracket. */
#define ANSWER_MAX 16384u
#define STATUS_MAX 40u

#define IGNORE_SHARED_TO(state)                                                                    \
  "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":["                    \
  "{\"capability\":\"x-ignore-shared\",\"state\":" state "}]}}"
#define IGNORE_SHARED IGNORE_SHARED_TO ("true")
#define MIND_SHARED IGNORE_SHARED_TO ("false")
/* as fast as the file takes it: QEMU's default of 128 MiB/s is meant for networks */
#define FULL_SPEED                                                                                 \
  "{\"execute\":\"migrate-set-parameters\",\"arguments\":{\"max-bandwidth\":10737418240}}"
#define GIVE_FD "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"berth-state\"}}"
#define MIGRATE "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"fd:berth-state\"}}"
#define MIGRATE_INCOMING                                                                           \
  "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"fd:berth-state\"}}"
#define STOP "{\"execute\":\"stop\"}"
#define QUIT "{\"execute\":\"quit\"}"
#define MIGRATE_CANCEL "{\"execute\":\"migrate_cancel\"}"
#define QUERY_MIGRATE "{\"execute\":\"query-migrate\"}"
#define QUERY_STATUS "{\"execute\":\"query-status\"}"

static gboolean
fail (GError **error, const char *command)
{
  g_autofree char *doing = g_strdup_printf ("QEMU refuses %s", command);

  berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, doing);
  return FALSE;
}

static gboolean
say (virDomainPtr domain, const char *command, GError **error)
{
  g_autofree char *answer = NULL;

  return virDomainQemuMonitorCommand (domain, command, &answer, 0) == 0 || fail (error, command);
}

static gboolean
give_fd (virDomainPtr domain, int fd, GError **error)
{
  g_autofree char *answer = NULL;
  g_autofree int *returned = NULL;
  unsigned int count = 0;

  return virDomainQemuMonitorCommandWithFiles (domain, GIVE_FD, 1, &fd, &count, &returned, &answer,
                                               0)
             == 0
         || fail (error, GIVE_FD);
}

/* (nullable): of an object, else NULL */
static JsonNode *
get_member (JsonNode *node, const char *name)
{
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node)
             ? json_object_get_member (json_node_get_object (node), name)
             : NULL;
}

char *
berth_qmp_read_status (const char *answer)
{
  g_autoptr (JsonNode) root = NULL;
  JsonNode *node;
  const char *status = NULL;

  if (strnlen (answer, ANSWER_MAX + 1) <= ANSWER_MAX)
    root = json_from_string (answer, NULL);
  node = get_member (get_member (root, "return"), "status");
  if (node != NULL && JSON_NODE_HOLDS_VALUE (node))
    status = json_node_get_string (node);
  return g_strndup (status != NULL ? status : "", STATUS_MAX);
}

/* (transfer full): "status" in the answer to @command */
static char *
ask_status (virDomainPtr domain, const char *command, GError **error)
{
  g_autofree char *answer = NULL;

  if (virDomainQemuMonitorCommand (domain, command, &answer, 0) == 0)
    return berth_qmp_read_status (answer);
  fail (error, command);
  return NULL;
}

/* Asks until the status is (@is_wanted) or is not (!@is_wanted) @status; fails on "failed". */
static gboolean
wait_status (virDomainPtr domain, const char *command, const char *status, gboolean is_wanted,
             GError **error)
{
  gint64 end_us = g_get_monotonic_time () + TIMEOUT_US;

  for (;;)
    {
      g_autofree char *now = ask_status (domain, command, error);

      if (now == NULL)
        return FALSE;
      if (g_str_equal (now, "failed") || g_str_equal (now, "internal-error")
          || g_get_monotonic_time () > end_us)
        {
          g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                       "QEMU does not get through with the state: it is %s", now);
          return FALSE;
        }
      if (g_str_equal (now, status) == is_wanted)
        return TRUE;
      g_usleep (POLL_US);
    }
}

gboolean
berth_qmp_save_state (virDomainPtr domain, int fd, GError **error)
{
  return say (domain, IGNORE_SHARED, error) && say (domain, FULL_SPEED, error)
         && give_fd (domain, fd, error) && say (domain, MIGRATE, error)
         && wait_status (domain, QUERY_MIGRATE, "completed", TRUE, error);
}

gboolean
berth_qmp_stream_state (virDomainPtr domain, int fd, GError **error)
{
  return berth_qmp_save_state (domain, fd, error)
         /* before that it can't go on */
         && wait_status (domain, QUERY_STATUS, "postmigrate", TRUE, error);
}

/* A cancel is answered before it is done, and QEMU refuses what follows until then. */
static gboolean
cancel (virDomainPtr domain, GError **error)
{
  static const char *const over[] = { "", "none", "cancelled", "failed", "completed", NULL };
  gint64 end_us = g_get_monotonic_time () + TIMEOUT_US;

  if (!say (domain, MIGRATE_CANCEL, error))
    return FALSE;
  for (;;)
    {
      g_autofree char *now = ask_status (domain, QUERY_MIGRATE, error);

      if (now == NULL || g_strv_contains (over, now))
        return now != NULL;
      if (g_get_monotonic_time () > end_us)
        {
          g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                       "QEMU does not end the stream of the state: it is %s", now);
          return FALSE;
        }
      g_usleep (POLL_US);
    }
}

gboolean
berth_qmp_stream_end (virDomainPtr domain, gboolean has_failed, GError **error)
{
  return (!has_failed || cancel (domain, error)) && say (domain, MIND_SHARED, error);
}

gboolean
berth_qmp_load_state (virDomainPtr domain, int fd, GError **error)
{
  return say (domain, IGNORE_SHARED, error) && give_fd (domain, fd, error)
         && say (domain, MIGRATE_INCOMING, error)
         && wait_status (domain, QUERY_STATUS, "inmigrate", FALSE, error);
}

gboolean
berth_qmp_forget_load (virDomainPtr domain, GError **error)
{
  return say (domain, MIND_SHARED, error);
}

gboolean
berth_qmp_stop (virDomainPtr domain, GError **error)
{
  return say (domain, STOP, error);
}

char *
berth_qmp_dup_status (virDomainPtr domain)
{
  return ask_status (domain, QUERY_STATUS, NULL);
}

gboolean
berth_qmp_quit (virDomainPtr domain, GError **error)
{
  return say (domain, QUIT, error);
}
