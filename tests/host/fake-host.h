/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host without VMs: what the manager asks is answered as the test says, snapshots are names in a
 * table, and time is the test's. */
#pragma once

#include "plugin/host/berth-host.h"
#include "tests/pool/berth-fake-hypervisor.h"

G_BEGIN_DECLS

/**
 * FakeHostCall:
 *
 * The calls of #BerthHost that have an answer.
 */
typedef enum
{
  FAKE_HOST_OPEN,
  FAKE_HOST_ADOPT,
  FAKE_HOST_PREPARE,
  FAKE_HOST_RECORD,
  FAKE_HOST_COMMIT,
  FAKE_HOST_EXEC,
  FAKE_HOST_FILE,
  FAKE_HOST_BACKGROUND,
  FAKE_HOST_COPY,
  FAKE_HOST_SETTLE,
  FAKE_HOST_N_CALLS,
} FakeHostCall;

/**
 * FakeHostPlay:
 * @open: what belongs to the host that is opened; may add to @templates
 * @exec: plays a program; takes over @exec and @task
 * @background: plays a question about background execs; takes over @request and @task
 * @file: plays a transfer; takes over @file and @task
 * @ended: nothing of @vm goes on; in the default main context
 *
 * Who plays what goes on in the VMs. Without, every program ends at once with 0, every transfer
 * is of nothing, and what is in the background is as fake-answer.h says.
 */
typedef struct
{
  void (*open) (GHashTable *templates, gpointer user_data);
  void (*exec) (BerthVm *vm, BerthExec *exec, GTask *task, gpointer user_data);
  void (*background) (BerthVm *vm, BerthBackgroundRequest *request, GTask *task,
                      gpointer user_data);
  void (*file) (BerthVm *vm, BerthFileRequest *file, GTask *task, gpointer user_data);
  void (*ended) (BerthVm *vm, gpointer user_data);
} FakeHostPlay;

#define FAKE_TYPE_HOST (fake_host_get_type ())
G_DECLARE_FINAL_TYPE (FakeHost, fake_host, FAKE, HOST, GObject)

/* Timers go off inside fake_host_advance() alone. VMs are made by a hypervisor in real time, which
 * answers as soon as it can. */
FakeHost *fake_host_new (void);
/* In real time. @uri: (nullable): as it is shown; image_dir: that must be there */
FakeHost *fake_host_new_real (const char *uri, const char *image_dir);
void fake_host_set_play (FakeHost *self, const FakeHostPlay *play, gpointer user_data);
/* its knobs are those of starting, claiming and destroying */
BerthFakeHypervisor *fake_host_get_hypervisor (FakeHost *self);

/* Answers of @call wait until it is let go; then they are given in the order asked. */
void fake_host_hold (FakeHost *self, FakeHostCall call, gboolean hold);
/* The one of those that are held that came last */
void fake_host_answer_last (FakeHost *self, FakeHostCall call);
/* Every answer of @call is this error until NULL; takes it over. */
void fake_host_fail (FakeHost *self, FakeHostCall call, GError *error);
guint fake_host_count_calls (FakeHost *self, FakeHostCall call);
guint fake_host_count_held (FakeHost *self, FakeHostCall call);

/* The clock goes on, and timers that are due on the way go off. Virtual time only. */
void fake_host_advance (FakeHost *self, gint64 us);
guint fake_host_count_timers (FakeHost *self);

/* the world, from outside */
void fake_host_set_up (FakeHost *self, gboolean is_up);
/* Whom it tells, as it stands: some of it may be NULL. */
const BerthHostWatch *fake_host_get_watch (FakeHost *self, gpointer *out_data);
void fake_host_spoil (FakeHost *self, const char *name, const char *reason);
/* The domain of a session that was gone has been restored: @vm is of berth_vm_new_adopted(). */
void
fake_host_return_session (FakeHost *self, BerthVm *vm, BerthRequest *request, gboolean is_paused);
/* How many places of each template are to stay defined, as it was told last. */
guint fake_host_get_places (FakeHost *self);
/* Whether it was told so of this one. */
gboolean fake_host_has_places (FakeHost *self, const char *template_name);
/* Of how many snapshots it was told last that checkpoints need them. */
guint fake_host_count_bases (FakeHost *self);
/* How often it was told. */
guint fake_host_count_bases_told (FakeHost *self);
/* A copy of @vm begins, or ends. */
gboolean fake_host_begin_copy (FakeHost *self, BerthVm *vm, GError **error);
/* @took_us: -1: there is none */
void fake_host_end_copy (FakeHost *self, BerthVm *vm, gint64 took_us, guint64 bytes);
/* of its interface */
void fake_host_go_on (BerthHost *host, BerthVm *vm);
void fake_host_keep_bases (BerthHost *host, const char *dir, GHashTable *sums);
BerthDiskPart *fake_host_take_disk (FakeHost *self, BerthVm *vm, GError **error);
/* of an earlier life, in the place where the manager looks */
void fake_host_add_snapshot (FakeHost *self, const char *name);
gboolean fake_host_has_snapshot (FakeHost *self, const char *name);
/* A VM of an earlier life: somebody's session, which may be paused, or (@request NULL) a
 * warm one. */
BerthVm *fake_host_leave_vm (FakeHost *self, const char *template_name, BerthRequest *request,
                             gboolean is_paused);
/* A VM is handed over, and when somebody looks it has ended: nothing is known of its start. */
void fake_host_set_starts_unknown (FakeHost *self, gboolean are_unknown);

G_END_DECLS
