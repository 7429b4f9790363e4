/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the machine's files share. */
#pragma once

#include "berth-boot-log.h"
#include "berth-domain.h"
#include "berth-machine.h"
#include "berth-mark.h"
#include "berth-process.h"

G_BEGIN_DECLS

/* An agent that has greeted us answers within milliseconds; on a busy host under TCG within a
 * second (measured: 0.65 ms idle, design.md). */
#define BERTH_MACHINE_IDENTITY_TIMEOUT_MS 10000u

struct _BerthMachine
{
  GObject parent;
  BerthVm *vm;
  BerthTemplate *template;      /* nullable: of an adopted one */
  char *language;               /* nullable: likewise */
  BerthTemplate *card_template; /* (nullable): whose network card it has, if that has one */
  BerthConnection *connection;
  BerthPlaces *places;
  char *instance;
  char *name;
  char *uuid;
  BerthDomainHandle handle; /* of the connection for control */
  char *console_path;
  BerthBootLog *boot_log; /* (nullable): while it boots */
  BerthProcess *process;  /* (nullable) */
  char *marked_process;   /* (nullable): the one that its mark tells */
  BerthGuest *agent;
  BerthMachineStart how;
  BerthSnapshot *snapshot;                /* what it was cloned from, or is recorded to */
  int state_fd;                           /* of a child: what it begins with; else -1 */
  guint8 proof[BERTH_MACHINE_PROOF_SIZE]; /* of its own random numbers */
  gint64 created;    /* Unix time in seconds, of the domain: a mark that is told anew keeps it */
  gint64 begun_us;   /* its start, monotonic */
  gint64 running_us; /* since when its domain is */
  gint64 ready_us;   /* since when its guest can be used */
  guint identity_attempts;
  guint clock_attempts;
  guint rehearsals; /* that are left */
  gboolean is_adopted;
  gboolean has_asked;       /* libvirt for its domain: what runs in its place may be its own */
  guint domain_id;          /* of this life of its domain; 0: nobody knows */
  BerthDomainEnding ending; /* once it has ended */
  gboolean leaves_place;    /* likewise: it is still defined */
  gboolean is_asleep;       /* of one that was found paused: nobody has spoken with its guest yet */
  gboolean
      is_owned; /* its owner has it, or is about to: berthd's end does not end a session then */
  gboolean abandons_copy;
  gboolean is_sole;     /* of a child: it is who it was, and no copy */
  GSource *mark_source; /* (nullable): its mark is to say whose it is */
  gboolean watches_kvm; /* its boot tells whether the host's KVM runs kernels */
  GSource *kvm_source;  /* (nullable): the next look at it */
  char *kvm_problem;    /* (nullable): it does not */
  guint mark_again_ms;  /* the last wait for that; 0: libvirt took the last one */
  gboolean has_no_more_marks;
  guint marks;         /* that libvirt is told just now */
  gboolean is_marked;  /* with what it is now, as far as was told */
  GPtrArray *settlers; /* (nullable): GTask (owned); who waits for that */
};

/* berth-machine-kvm.c */
/* Its domain boots under a KVM of which nothing is known: where that runs no kernel, it is given up
 * and this boot with it, by closing the agent; kvm_problem tells. */
void berth_machine_watch_kvm (BerthMachine *self);
/* @runs: its guest does */
void berth_machine_end_kvm_watch (BerthMachine *self, gboolean runs);

/* berth-machine-card.c */
/* Plugs the card of its template in. Takes @task over and completes it with TRUE or an error. */
void berth_machine_plug (BerthMachine *self, GTask *task);

/* berth-machine-mark.c */
/* (transfer full): what its domain is marked with now */
BerthMark *berth_machine_make_mark (BerthMachine *self);
/* (nullable): as berth_process_get_id() */
const char *berth_machine_get_process_id (BerthMachine *self);
/* It is somebody's now: its domain says so, in time. */
void berth_machine_update_mark (BerthMachine *self);

/* berth-machine-params.c */
gboolean berth_machine_boots (BerthMachine *self);
gboolean berth_machine_is_clone (BerthMachine *self);
/* A layer of a template is built in it. */
gboolean berth_machine_is_builder (BerthMachine *self);
/* (transfer full) (nullable): where the console of its boot goes */
GOutputStream *berth_machine_ref_boot_log (BerthMachine *self);
/* (transfer full): of its domain. On a worker, too. */
char *berth_machine_make_xml (BerthMachine *self, const BerthMark *mark, BerthImages *images,
                              GError **error);
/* (transfer full): what is defined of it between two lives: nobody's, of its template's own size,
 * without a snapshot. On a worker, too. */
char *berth_machine_make_place_xml (BerthMachine *self, const char *definition, BerthImages *images,
                                    GError **error);
/* (transfer full) (nullable): a sum of what that is made of */
char *berth_machine_make_definition (BerthMachine *self, BerthImages *images, GError **error);

/* berth-machine-rehearsal.c */
/* Everything that an owner would wait for at first: the identity but for its time, then the execs
 * that are left, then the pause. Takes @task over and completes it with TRUE or an error. */
void berth_machine_rehearse (BerthMachine *self, GTask *task);

/* berth-machine.c */
/* Gives the guest its identity and checks its proof, again where the time was stale. Takes @task
 * over and completes it with TRUE or an error. */
void berth_machine_identify (BerthMachine *self, GTask *task);
/* Completes @task with @reason (taken over), which gets the name of the VM and what its console
 * said last: another VM may do. */
void berth_machine_return_start_error (GTask *task, const char *doing, GError *reason);

G_END_DECLS
