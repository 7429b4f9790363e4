/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a sandbox's files share. */
#pragma once

#include "plugin/manager/berth-sandbox.h"

G_BEGIN_DECLS

struct _BerthSandbox
{
  GObject parent;
  char *id;
  BerthVm *vm; /* while it is hibernated: the last that it had */
  BerthHost *host;
  guint32 uid;
  gint64 idle_us;   /* 0: nobody minds */
  gint64 unused_us; /* since when nobody uses it; 0: somebody does */
  guint idle_id;
  BerthPool *pool; /* (nullable): owned; NULL: it is never paused */
  gint64 wait_us;  /* for its vCPUs, when it is woken */
  gint64 pause_us; /* until it is paused, when nobody uses it; 0: never */
  guint pause_id;
  guint pausing;          /* pauses under way */
  guint waking;           /* who waits for it to run */
  gboolean is_asleep;     /* found paused: what runs in it is not known before it is woken */
  guint looks;            /* that were begun while it was */
  gboolean pauses_again;  /* it was woken to be looked at alone */
  gboolean is_leaving;    /* it is being hibernated: who comes waits */
  gboolean is_hibernated; /* its VM is gone, or goes, and what it was is kept */
  gboolean is_rising;     /* another is made for it, or must not be yet */
  gboolean pauses_after;  /* it was paused before it was to be hibernated */
  gboolean was_tried;     /* it could not be hibernated since it was used */
  GPtrArray *risers;      /* who waits for that: Riser (owned) */
  GCancellable *rise;     /* (nullable): of the one that is made */
  BerthSandboxHibernation hibernation;
  gint64 hibernated_us; /* since when it is: microseconds since 1970 */
  guint hibernate_id;
  guint exec_count;
  GQueue waiting;      /* GTask (owned), of code, their data a Box */
  gboolean is_busy;    /* with code */
  gboolean is_copied;  /* its guest is */
  gboolean is_watched; /* with code that runs in the background */
  guint commands;      /* that run beside it */
  guint watched;       /* of these, in the background */
  guint files;         /* transfers under way */
  guint asks;          /* about background execs, likewise */
  guint orphans;       /* of all these: that nobody waits for, while it stands still */
  guint holds;
  GHashTable *terminals; /* those that run, or that somebody sits at */
  gint64 hangup_us;      /* until one that nobody sits at is hung up; 0: never */
  BerthOrigin origin;
  BerthSandboxReach *reach; /* (nullable) */
  GStrv env;                /* (nullable): of each program, as its template says */
  char *close_reason;       /* NULL while it is open */
  GCancellable *closed;
  BerthSandboxIdleFunc idle_func;
  gpointer idle_data;
};

/* berth-sandbox.c */
/* Somebody uses it: its times stand still. */
void berth_sandbox_note_use (BerthSandbox *self);
/* Nobody may use it any more: its times begin anew then. */
void berth_sandbox_watch_idle (BerthSandbox *self);
gboolean berth_sandbox_is_used (BerthSandbox *self);
void berth_sandbox_return_gone (BerthSandbox *self, GTask *task);
/* Code that waits for its turn waits for what comes before that, again. */
void berth_sandbox_queue_again (BerthSandbox *self);

/* berth-sandbox-pause.c */
/* Its VM runs; takes over @task. */
typedef void (*BerthSandboxAwakeFunc) (BerthSandbox *self, GTask *task);

/* Calls @func when its VM runs: at once, or when it has been woken, in the order asked. Takes over
 * @task, which fails where that can't be. */
void berth_sandbox_when_awake (BerthSandbox *self, GTask *task, BerthSandboxAwakeFunc func);
/* Nobody used it for its idle time, and what runs in it is not known: it is woken to be asked. */
void berth_sandbox_look (BerthSandbox *self);
void berth_sandbox_begin_pause_timer (BerthSandbox *self);
/* It stands still again, unless somebody has come to use it. */
void berth_sandbox_pause_again (BerthSandbox *self);
/* What runs in it is known now. */
void berth_sandbox_note_looked (BerthSandbox *self);

/* Who waits for its VM is told how far that is ((nullable): it waits no more). */
void berth_sandbox_note_request (GTask *task, BerthRequest *request);

/* berth-sandbox-hibernate.c */
void berth_sandbox_hibernate_init (BerthSandbox *self);
void berth_sandbox_hibernate_clear (BerthSandbox *self);
void berth_sandbox_begin_hibernate_timer (BerthSandbox *self);
/* How long nobody may use one that is hibernated, from now on; 0: for ever */
gint64 berth_sandbox_get_kept_us (BerthSandbox *self);
/* As berth_sandbox_when_awake(), of one that is hibernated, or about to be. */
void berth_sandbox_when_risen (BerthSandbox *self, GTask *task, BerthSandboxAwakeFunc func);
/* Its guest goes on that was copied. */
void berth_sandbox_note_goes_on (BerthSandbox *self);
/* Who waits is let in, or hears @error ((nullable)), or that it is closed. */
void berth_sandbox_end_risers (BerthSandbox *self, const GError *error);

/* berth-sandbox-terminal.c */
void berth_sandbox_terminals_init (BerthSandbox *self);
/* A terminal in the background runs, or has ended. */
void berth_sandbox_terminal_note (BerthSandbox *self, guint32 exec, gboolean runs);
/* One more sits at it (1), or one less (-1). */
void berth_sandbox_terminal_attend (BerthSandbox *self, guint32 exec, int change);

G_END_DECLS
