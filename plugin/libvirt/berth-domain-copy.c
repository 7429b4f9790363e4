/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU streams a domain's state into a pipe, at whose other end its difference is made. Under TCG a
 * domain has to stand still for that: one that runs loses writes (feasibility, trap T3). */
#include "berth-domain-copy.h"

#include <fcntl.h>
#include <unistd.h>

#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "berth-qmp.h"

#define PIPE_SIZE (1 << 20)
/* What asks QEMU gives up after 60 s, and what is in the pipe then is read within less than that:
 * one that a guest has taken and that trickles on holds its worker no longer. */
#define STREAM_LIMIT_US (90 * G_USEC_PER_SEC)

typedef struct
{
  int in;
  int out;
  BerthDifferenceBase base;
  GCancellable *cancellable;
  BerthDifferenceStats *stats;
  GError *error;
} Split;

static gpointer
split_thread (gpointer data)
{
  Split *split = data;
  gboolean ok = berth_difference_split (split->in, split->out, &split->base, split->cancellable,
                                        split->stats, &split->error);

  /* who still writes learns that nobody reads */
  close (split->in);
  return GINT_TO_POINTER (ok);
}

/* Streams while a thread reads. The first failure of the two is told: each ends the other. */
static gboolean
stream (virDomainPtr domain, int fd, Split *split, GError **error)
{
  g_autoptr (GError) reason = NULL;
  GThread *thread = g_thread_new ("berth-split", split_thread, split);
  gboolean ok = berth_qmp_stream_state (domain, fd, &reason);

  close (fd);
  if (!ok)
    g_cancellable_cancel (split->cancellable);
  if (!GPOINTER_TO_INT (g_thread_join (thread)))
    ok = FALSE;
  if (split->error != NULL && !g_error_matches (split->error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, g_steal_pointer (&split->error));
  else if (!ok)
    g_propagate_error (error, g_steal_pointer (&reason));
  g_clear_error (&split->error);
  return ok;
}

static gboolean
copy_suspended (virDomainPtr domain, const BerthDifferenceBase *base, int out,
                BerthDifferenceStats *out_stats, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Split split = { .out = out, .base = *base, .cancellable = cancellable, .stats = out_stats };
  int ends[2];

  split.base.end_us = g_get_monotonic_time () + STREAM_LIMIT_US;
  if (pipe2 (ends, O_CLOEXEC) != 0)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                           "berthd has no descriptor left for a pipe");
      return FALSE;
    }
  fcntl (ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* lint: caller-fd: our own; smaller ones work, too */
  split.in = ends[0];
  return stream (domain, ends[1], &split, error);
}

gboolean
berth_domain_copy (virConnectPtr connection, const char *uuid, const BerthDifferenceBase *base,
                   int out, gboolean stays, gboolean *out_stands_still,
                   BerthDifferenceStats *out_stats, GError **error)
{
  g_auto (virDomainPtr) domain = virDomainLookupByUUIDString (connection, uuid);
  g_autoptr (GError) reason = NULL;
  gboolean ok;

  *out_stands_still = FALSE;
  if (domain == NULL)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain is gone");
      return FALSE;
    }
  /* in a way that the next berthd knows for a copy's, should this one die; what fails may have been
   * done all the same */
  ok = berth_domain_stand_by (connection, uuid, error)
       && copy_suspended (domain, base, out, out_stats, error);
  if (ok && stays)
    return TRUE;
  *out_stands_still = !(ok ? berth_qmp_stream_end (domain, FALSE, &reason)
                                 && berth_domain_set_paused (connection, uuid, NULL, FALSE, &reason)
                           : berth_domain_abandon_copy (connection, uuid, &reason));
  if (*out_stands_still)
    g_message ("it is let go on later: %s", reason->message);
  return ok;
}

gboolean
berth_domain_abandon_copy (virConnectPtr connection, const char *uuid, GError **error)
{
  g_auto (virDomainPtr) domain = virDomainLookupByUUIDString (connection, uuid);

  if (domain == NULL)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "the domain is gone");
      return FALSE;
    }
  return berth_qmp_stream_end (domain, TRUE, error)
         && berth_domain_set_paused (connection, uuid, NULL, FALSE, error);
}
