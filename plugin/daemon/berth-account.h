/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each Unix user has of berthd's own memory, descriptors and time, over all of its
 * connections. Everything here belongs to one thread: the service's. */
#pragma once

#include <gio/gio.h>

#include "plugin/base/berth-caller-fd.h"

G_BEGIN_DECLS

/**
 * BerthAccounts:
 *
 * The accounts of all users.
 */
typedef struct _BerthAccounts BerthAccounts;

/**
 * BerthAccount:
 *
 * One user's. It stays for a while when its last connection is gone, for what it said last.
 */
typedef struct _BerthAccount BerthAccount;

/**
 * BerthTab:
 *
 * What one connection has run up on its user's account. It is settled when nothing of the
 * connection is left: not when the client leaves, for its calls end later.
 */
typedef struct _BerthTab BerthTab;

BerthAccounts *berth_accounts_new (void);
void berth_accounts_free (BerthAccounts *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthAccounts, berth_accounts_free)
/* Whether there are descriptors for clients beside those that berthd needs itself */
gboolean berth_accounts_has_descriptors (void);

/* (transfer full) */
BerthAccount *berth_accounts_get (BerthAccounts *self, guint32 uid);
BerthAccount *berth_account_ref (BerthAccount *self);
void berth_account_unref (BerthAccount *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthAccount, berth_account_unref)
guint32 berth_account_get_uid (BerthAccount *self);
/* Logs a line about this user, or counts it: one a second is written. */
void berth_account_log (BerthAccount *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* (nullable) (transfer full): NULL where the user has too many connections already */
BerthTab *berth_tab_open (BerthAccount *account);
BerthTab *berth_tab_ref (BerthTab *self);
void berth_tab_unref (BerthTab *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BerthTab, berth_tab_unref)
BerthAccount *berth_tab_get_account (BerthTab *self);

/* Takes a part of what the user may have; FALSE, and nothing is taken, where that is too little. */
gboolean berth_tab_take_bytes (BerthTab *self, gsize size);
void berth_tab_give_bytes (BerthTab *self, gsize size);
gboolean berth_tab_take_fds (BerthTab *self, guint count);
/* Whether so many of the user's are being closed that it may hand over none at all */
gboolean berth_account_is_stuck (BerthAccount *self);
void berth_tab_give_fds (BerthTab *self, guint count);
/* Notes that a message of @size bytes is passed on: who reads it keeps as large a buffer. */
gboolean berth_tab_take_buffer (BerthTab *self, gsize size);

/* A call with the bytes and descriptors that were taken for it: they are given back when it is
 * answered. @fds are closed then: they are the tab's where it returns TRUE. */
gboolean berth_tab_add_call (BerthTab *self, guint32 serial, gsize bytes, const BerthCallerFds *fds,
                             GError **error);
/* (transfer none) (nullable): its descriptors, until it is answered */
const BerthCallerFds *berth_tab_find_fds (BerthTab *self, guint32 serial);
/* Each message that was passed on has a turn until its method has begun or is answered. */
gboolean berth_tab_take_turn (BerthTab *self, guint32 serial);
void berth_tab_call_has_begun (BerthTab *self, guint32 serial);
void berth_tab_call_is_answered (BerthTab *self, guint32 serial);

/* Who waits for a turn: @func is called once there is one. A tab has one who waits, at most. */
typedef void (*BerthTurnFunc) (gpointer user_data);
void berth_tab_await_turn (BerthTab *self, BerthTurnFunc func, gpointer user_data);
void berth_tab_forget_turn (BerthTab *self);

G_END_DECLS
