/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A berthd on a host without VMs, and a client of it. */
#pragma once

#include <berth.h>

#include "tests/cli/berthd-process.h"

G_BEGIN_DECLS

#define LIMIT_S 30

typedef struct
{
  char *folder;
  char *path;
  BerthdProcess berthd;
  BerthClient *client;
} Fixture;

/* Answers of asynchronous calls, by the order in which they come */
typedef struct
{
  GPtrArray *results; /* GAsyncResult */
} Answers;

void answers_init (Answers *self);
void answers_clear (Answers *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answers, answers_clear)
/* the callback of a call, with an Answers */
void answered_cb (GObject *source, GAsyncResult *result, gpointer user_data);
/* (transfer none): the answer number @index */
GAsyncResult *answers_wait (Answers *self, guint index);

/* (transfer full): the same for the same size */
GBytes *random_bytes (gsize size);
/* Ends the test when it is not removed in LIMIT_S. */
guint limit_add (void);

/* @data: (nullable): berthd's snapshot_scope; NULL for "none" */
void set_up (Fixture *fixture, gconstpointer data);
void tear_down (Fixture *fixture, gconstpointer data);

BerthResult *run_in (Fixture *fixture, const char *template_name, const char *code, GError **error);
/* (transfer full): a sandbox */
char *create (Fixture *fixture);
/* how many slots are taken */
guint claimed (Fixture *fixture);

#define ADD(name, function)                                                                        \
  g_test_add ("/libberth/" name, Fixture, NULL, set_up, function, tear_down)

G_END_DECLS
