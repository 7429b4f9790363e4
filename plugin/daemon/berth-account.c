/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounds by connection or call multiply; these are added up by user, so that what one does costs
 * nobody else anything. */
#include "plugin/daemon/berth-account.h"

#include <sys/resource.h>

#include "plugin/base/berth-closer.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

/* Users that are remembered though they have no connection; a quiet one is forgotten first */
#define QUIET_ACCOUNTS_MAX 64u
#define LOG_EVERY_US G_USEC_PER_SEC

struct _BerthAccounts
{
  GHashTable *by_uid; /* uid → BerthAccount (owned) */
  gsize bytes;        /* of all users */
};

struct _BerthAccount
{
  grefcount ref_count;
  BerthAccounts *accounts; /* borrowed: outlives every tab; NULL once it is gone */
  guint32 uid;
  guint connections;
  guint calls;
  guint turns;
  guint fds;
  gsize bytes;
  GQueue waiting; /* BerthTab (borrowed): for a turn, in their order */
  gint64 logged_us;
  guint untold;  /* lines since */
  char *last;    /* of them */
  guint tell_id; /* tells them */
};

struct _BerthTab
{
  grefcount ref_count;
  BerthAccount *account;
  GHashTable *calls; /* serial → Call (owned) */
  gsize bytes;       /* those that belong to no call, too */
  gsize buffer;
  guint fds;
  BerthTurnFunc turn_func; /* NULL: waits for none */
  gpointer turn_data;
};

typedef struct
{
  gsize bytes;
  BerthCallerFds fds;
  guint32 uid;
  gboolean has_turn;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  for (guint i = 0; i < call->fds.count; i++)
    berth_closer_close (call->fds.fds[i], call->uid);
  g_free (call->fds.fds);
  g_free (call);
}

static void
account_free (BerthAccount *self)
{
  g_clear_handle_id (&self->tell_id, g_source_remove);
  g_free (self->last);
  g_free (self);
}

BerthAccount *
berth_account_ref (BerthAccount *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

void
berth_account_unref (BerthAccount *self)
{
  if (g_ref_count_dec (&self->ref_count))
    account_free (self);
}

BerthAccounts *
berth_accounts_new (void)
{
  BerthAccounts *self = g_new0 (BerthAccounts, 1);

  self->by_uid = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify)berth_account_unref);
  return self;
}

void
berth_accounts_free (BerthAccounts *self)
{
  GHashTableIter iter;
  gpointer account;

  g_hash_table_iter_init (&iter, self->by_uid);
  while (g_hash_table_iter_next (&iter, NULL, &account))
    ((BerthAccount *)account)->accounts = NULL;
  g_hash_table_unref (self->by_uid);
  g_free (self);
}

gboolean
berth_accounts_has_descriptors (void)
{
  return berth_caller_fd_has_room (BERTH_LIMIT_RESERVED_FDS);
}

static gboolean
is_quiet (gpointer key, gpointer value, gpointer user_data)
{
  BerthAccount *account = value;

  return account->connections == 0 && account->tell_id == 0
         && g_get_monotonic_time () - account->logged_us > LOG_EVERY_US;
}

BerthAccount *
berth_accounts_get (BerthAccounts *self, guint32 uid)
{
  BerthAccount *account = g_hash_table_lookup (self->by_uid, GUINT_TO_POINTER (uid));

  if (account == NULL)
    {
      if (g_hash_table_size (self->by_uid) >= QUIET_ACCOUNTS_MAX)
        g_hash_table_foreach_remove (self->by_uid, is_quiet, NULL);
      account = g_new0 (BerthAccount, 1);
      g_ref_count_init (&account->ref_count);
      account->accounts = self;
      account->uid = uid;
      account->logged_us = -LOG_EVERY_US;
      g_hash_table_insert (self->by_uid, GUINT_TO_POINTER (uid), account);
    }
  g_ref_count_inc (&account->ref_count);
  return account;
}

guint32
berth_account_get_uid (BerthAccount *self)
{
  return self->uid;
}

static gboolean
tell_cb (gpointer user_data)
{
  BerthAccount *self = user_data;

  self->tell_id = 0;
  self->logged_us = g_get_monotonic_time ();
  if (self->untold == 1)
    g_message ("user %u: %s", self->uid, self->last);
  else
    g_message ("user %u: %s (the last of %u such lines)", self->uid, self->last, self->untold);
  self->untold = 0;
  g_clear_pointer (&self->last, g_free);
  return G_SOURCE_REMOVE;
}

void
berth_account_log (BerthAccount *self, const char *format, ...)
{
  gint64 now = g_get_monotonic_time ();
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (self->untold == 0 && now - self->logged_us >= LOG_EVERY_US)
    {
      self->logged_us = now;
      g_message ("user %u: %s", self->uid, text);
      return;
    }
  self->untold++;
  g_free (self->last);
  self->last = g_steal_pointer (&text);
  if (self->tell_id == 0)
    self->tell_id = g_timeout_add ((guint)(LOG_EVERY_US / 1000), tell_cb, self);
}

/* A quarter of what there is: some users at their bound leave the others something. */
static guint
fds_max (void)
{
  struct rlimit limit = { 0 };

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
    return 0;
  return (guint)MIN (limit.rlim_cur / 4, BERTH_LIMIT_FDS_PER_UID);
}

gboolean
berth_account_is_stuck (BerthAccount *self)
{
  return berth_closer_count (self->uid) > fds_max () / 2;
}

BerthTab *
berth_tab_open (BerthAccount *account)
{
  BerthTab *self;

  if (account->connections >= BERTH_LIMIT_CONNECTIONS_PER_UID || berth_account_is_stuck (account))
    return NULL;
  account->connections++;
  self = g_new0 (BerthTab, 1);
  g_ref_count_init (&self->ref_count);
  g_ref_count_inc (&account->ref_count);
  self->account = account;
  self->calls = g_hash_table_new_full (NULL, NULL, NULL, call_free);
  return self;
}

BerthTab *
berth_tab_ref (BerthTab *self)
{
  g_ref_count_inc (&self->ref_count);
  return self;
}

/* Tells the next who waits, who then takes the turn, or leaves it to others by going away. */
static void
account_pass_turn (BerthAccount *self)
{
  BerthTab *next
      = self->turns < BERTH_LIMIT_TURNS_PER_UID ? g_queue_pop_head (&self->waiting) : NULL;
  BerthTurnFunc func = next != NULL ? next->turn_func : NULL;

  if (func == NULL)
    return;
  next->turn_func = NULL;
  func (next->turn_data);
}

static void
call_end_turn (BerthTab *tab, Call *call)
{
  if (!call->has_turn)
    return;
  call->has_turn = FALSE;
  tab->account->turns--;
  account_pass_turn (tab->account);
}

void
berth_tab_unref (BerthTab *self)
{
  BerthAccount *account = self->account;
  GHashTableIter iter;
  gpointer call;

  if (!g_ref_count_dec (&self->ref_count))
    return;
  berth_tab_forget_turn (self);
  g_hash_table_iter_init (&iter, self->calls);
  while (g_hash_table_iter_next (&iter, NULL, &call))
    account->turns -= ((Call *)call)->has_turn ? 1 : 0;
  account->connections--;
  account->calls -= g_hash_table_size (self->calls);
  berth_tab_give_bytes (self, self->bytes);
  berth_tab_give_fds (self, self->fds);
  g_hash_table_unref (self->calls);
  g_free (self);
  account_pass_turn (account);
  berth_account_unref (account);
}

BerthAccount *
berth_tab_get_account (BerthTab *self)
{
  return self->account;
}

gboolean
berth_tab_take_bytes (BerthTab *self, gsize size)
{
  BerthAccounts *all = self->account->accounts;

  if (size > BERTH_LIMIT_BYTES_PER_UID - self->account->bytes || all == NULL
      || size > BERTH_LIMIT_BYTES - all->bytes)
    return FALSE;
  self->bytes += size;
  self->account->bytes += size;
  all->bytes += size;
  return TRUE;
}

void
berth_tab_give_bytes (BerthTab *self, gsize size)
{
  g_assert (size <= self->bytes);
  self->bytes -= size;
  self->account->bytes -= size;
  if (self->account->accounts != NULL)
    self->account->accounts->bytes -= size;
}

gboolean
berth_tab_take_buffer (BerthTab *self, gsize size)
{
  if (size <= self->buffer)
    return TRUE;
  if (!berth_tab_take_bytes (self, size - self->buffer))
    return FALSE;
  self->buffer = size;
  return TRUE;
}

gboolean
berth_tab_take_fds (BerthTab *self, guint count)
{
  guint closing = berth_closer_count (self->account->uid);

  if (self->account->fds + closing + count > fds_max () || !berth_accounts_has_descriptors ())
    return FALSE;
  self->fds += count;
  self->account->fds += count;
  return TRUE;
}

void
berth_tab_give_fds (BerthTab *self, guint count)
{
  g_assert (count <= self->fds);
  self->fds -= count;
  self->account->fds -= count;
}

gboolean
berth_tab_add_call (BerthTab *self, guint32 serial, gsize bytes, const BerthCallerFds *fds,
                    GError **error)
{
  Call *call;

  if (g_hash_table_size (self->calls) >= BERTH_LIMIT_CALLS_PER_CONNECTION)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "more than %d calls of one connection at once: wait for answers first",
                   BERTH_LIMIT_CALLS_PER_CONNECTION);
      return FALSE;
    }
  if (self->account->calls >= BERTH_LIMIT_CALLS_PER_UID)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                   "more than %d calls of user %u at once: wait for answers first",
                   BERTH_LIMIT_CALLS_PER_UID, self->account->uid);
      return FALSE;
    }
  if (g_hash_table_contains (self->calls, GUINT_TO_POINTER (serial)))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "call %u has no answer yet: give the next another serial", serial);
      return FALSE;
    }
  call = g_new0 (Call, 1);
  call->bytes = bytes;
  call->fds.fds = g_memdup2 (fds->fds, sizeof *fds->fds * fds->count);
  call->fds.count = fds->count;
  call->uid = self->account->uid;
  g_hash_table_insert (self->calls, GUINT_TO_POINTER (serial), call);
  self->account->calls++;
  return TRUE;
}

const BerthCallerFds *
berth_tab_find_fds (BerthTab *self, guint32 serial)
{
  const Call *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (serial));

  return call != NULL ? &call->fds : NULL;
}

gboolean
berth_tab_take_turn (BerthTab *self, guint32 serial)
{
  Call *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (serial));

  if (call == NULL || self->account->turns >= BERTH_LIMIT_TURNS_PER_UID)
    return FALSE;
  call->has_turn = TRUE;
  self->account->turns++;
  return TRUE;
}

void
berth_tab_call_has_begun (BerthTab *self, guint32 serial)
{
  Call *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (serial));

  if (call != NULL)
    call_end_turn (self, call);
}

void
berth_tab_call_is_answered (BerthTab *self, guint32 serial)
{
  Call *call = g_hash_table_lookup (self->calls, GUINT_TO_POINTER (serial));
  gboolean has_turn = call != NULL && call->has_turn;

  if (call == NULL)
    return;
  berth_tab_give_bytes (self, call->bytes);
  berth_tab_give_fds (self, call->fds.count);
  self->account->calls--;
  self->account->turns -= has_turn ? 1 : 0;
  g_hash_table_remove (self->calls, GUINT_TO_POINTER (serial));
  if (has_turn)
    account_pass_turn (self->account);
}

void
berth_tab_await_turn (BerthTab *self, BerthTurnFunc func, gpointer user_data)
{
  g_assert (self->turn_func == NULL);
  self->turn_func = func;
  self->turn_data = user_data;
  g_queue_push_tail (&self->account->waiting, self);
}

void
berth_tab_forget_turn (BerthTab *self)
{
  if (self->turn_func == NULL)
    return;
  self->turn_func = NULL;
  g_queue_remove (&self->account->waiting, self);
}
