/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* States that are kept: what one of a VM is made of and depends on, what has to be there for it to
 * be loaded, and why it can't be. */
#include "berth-libvirt-private.h"

#include <string.h>

#include "berth-libvirt-error.h"

/* raised when what an older berth has kept would not work with this one's code or agent */
#define PARTS_FORMAT "berth 1"

/* ---- what it depends on ---- */

static char *
version_text (const char *what, unsigned long version)
{
  return g_strdup_printf ("%s %lu.%lu.%lu", what, version / 1000000, version / 1000 % 1000,
                          version % 1000);
}

/* Of what nobody could compare by looking at it */
static char *
digest_text (const char *what, const char *text)
{
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);

  return g_strdup_printf ("%s %s", what, digest);
}

char **
berth_key_parts_to_texts (const BerthKeyParts *self)
{
  char **texts = g_new0 (char *, 8);

  texts[0] = g_strdup (PARTS_FORMAT);
  texts[1] = version_text ("QEMU", self->qemu);
  texts[2] = version_text ("libvirt", self->libvirt);
  texts[3] = digest_text ("template", self->template_digest);
  texts[4] = digest_text ("hardware", self->hardware);
  texts[5] = digest_text ("image", self->images);
  texts[6] = digest_text ("CPU", self->cpu);
  return texts;
}

static gboolean
fail_part (const char *kept, const char *here, GError **error)
{
  const char *space = strchr (here, ' ');
  int word = space != NULL ? (int)(space - here) : 0;

  if (strlen (here) < 32 && kept != NULL && strlen (kept) < 32)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                 "it was made with %s, and here is %s: it can't be loaded", kept, here);
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                 "the %.*s is another than that which it was made with: it can't be loaded", word,
                 here);
  return FALSE;
}

gboolean
berth_key_parts_check (const char *const *kept, const BerthKeyParts *here, GError **error)
{
  g_auto (GStrv) texts = berth_key_parts_to_texts (here);
  guint count = kept != NULL ? g_strv_length ((char **)kept) : 0;

  for (guint i = 0; texts[i] != NULL; i++)
    if (i >= count || !g_str_equal (kept[i], texts[i]))
      return fail_part (i < count ? kept[i] : NULL, texts[i], error);
  return TRUE;
}

/* ---- one is made ---- */

typedef struct
{
  BerthVm *vm;
  BerthSnapshot *base;
  BerthTemplate *template;
  BerthImages *images;
  const char *domain_type; /* static */
  char *name;              /* of the base */
  BerthMachineCopy how;
  gint64 begun_us;
  BerthHostCopy *copy; /* (nullable): what it will be */
} CopyCall;

static void
copy_call_free (gpointer data)
{
  CopyCall *call = data;

  g_object_unref (call->vm);
  berth_snapshot_unref (call->base);
  berth_template_unref (call->template);
  berth_images_unref (call->images);
  g_free (call->name);
  g_clear_pointer (&call->copy, berth_host_copy_free);
  g_free (call);
}

/* What there is here is asked before anything stands still: a copy that could not be loaded is
 * none.
 */
static BerthHostCopy *
describe (BerthConnection *libvirtd, const CopyCall *call, GError **error)
{
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (libvirtd, BERTH_CONNECTION_START, error);
  g_auto (BerthKeyParts) parts = { 0 };
  g_autofree char *key = NULL;
  BerthHostCopy *copy;

  if (connection == NULL
      || !berth_key_parts_read (libvirtd, connection, call->template, call->images,
                                call->domain_type, &parts, error))
    return NULL;
  key = berth_key_parts_dup_key (&parts, call->name);
  if (!g_str_equal (key, berth_snapshot_get_key (call->base)))
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "its template, its image, libvirt or QEMU is another since it was made, "
                           "and what is kept could not be loaded; make a new one");
      return NULL;
    }
  copy = g_new0 (BerthHostCopy, 1);
  copy->base = g_new0 (BerthForkBase, 1);
  copy->base->snapshot = g_strdup (call->name);
  copy->base->key = g_strdup (berth_snapshot_get_key (call->base));
  copy->base->sum = g_strdup (berth_snapshot_get_ram_sum (call->base));
  copy->base->parts = berth_key_parts_to_texts (&parts);
  return copy;
}

static void
describe_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;
  BerthHostCopy *copy = describe (BERTH_LIBVIRT (source)->connection, task_data, &error);

  if (copy != NULL)
    g_task_return_pointer (task, copy, (GDestroyNotify)berth_host_copy_free);
  else
    g_task_return_error (task, error);
}

void
berth_libvirt_tell_copy_end (BerthLibvirt *self, BerthVm *vm, gint64 took_us, guint64 bytes)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  if (slot != NULL)
    slot->is_copied = FALSE;
  if (self->watch.copy_ended != NULL)
    self->watch.copy_ended (vm, took_us, bytes, self->watch_data);
}

typedef struct
{
  BerthLibvirt *self;
  BerthVm *vm;
} GoOnCall;

static void
gone_on_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree GoOnCall *call = user_data;
  g_autoptr (BerthLibvirt) self = call->self;
  g_autoptr (BerthVm) vm = call->vm;

  berth_libvirt_tell_copy_end (self, vm, -1, 0);
}

void
berth_libvirt_go_on (BerthHost *host, BerthVm *vm)
{
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  BerthMachine *machine = berth_libvirt_get_machine (self, vm);
  GoOnCall *call;

  if (machine == NULL)
    return; /* its end is told */
  call = g_new (GoOnCall, 1);
  *call = (GoOnCall){ g_object_ref (self), g_object_ref (vm) };
  berth_machine_go_on_async (machine, gone_on_cb, call);
}

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthLibvirt *self = g_task_get_source_object (task);
  CopyCall *call = g_task_get_task_data (task);
  BerthDifferenceStats stats;
  GError *error = NULL;
  gboolean ok = berth_machine_copy_finish (BERTH_MACHINE (source), result, &stats, &error);

  if (!ok || !call->how.stays)
    berth_libvirt_tell_copy_end (self, call->vm, ok ? g_get_monotonic_time () - call->begun_us : -1,
                                 ok ? stats.out_bytes : 0);
  if (!ok)
    {
      g_task_return_error (task, error);
      return;
    }
  call->copy->pages = stats.kept;
  g_task_return_pointer (task, g_steal_pointer (&call->copy), (GDestroyNotify)berth_host_copy_free);
}

static gboolean
copy_start (BerthLibvirt *self, CopyCall *call, GTask *task, GError **error)
{
  BerthSlot *slot;

  /* it may have ended meanwhile, or stand still */
  if (berth_libvirt_base_of (self, call->vm, error) == NULL
      || (self->watch.copy_begins != NULL
          && !self->watch.copy_begins (call->vm, self->watch_data, error)))
    return FALSE;
  slot = g_hash_table_lookup (self->slots, call->vm);
  slot->is_copied = TRUE;
  call->begun_us = g_get_monotonic_time ();
  berth_machine_copy_async (slot->machine, call->base, &call->how, copied_cb, g_object_ref (task));
  return TRUE;
}

static void
described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  CopyCall *call = g_task_get_task_data (task);
  GError *error = NULL;

  call->copy = g_task_propagate_pointer (G_TASK (result), &error);
  if (call->copy == NULL || !copy_start (BERTH_LIBVIRT (source), call, task, &error))
    g_task_return_error (task, error);
}

/* Whose snapshot it is: the template's, or the tenant's own of it */
static char *
dup_base_name (BerthLibvirt *self, BerthVm *vm)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);

  return berth_snapshot_make_name (
      berth_vm_get_template (vm),
      self->has_tenant_snapshots && request != NULL ? request->tenant_key : NULL);
}

static gboolean
copy_begin (BerthLibvirt *self, BerthVm *vm, const BerthMachineCopy *how, GTask *task,
            GError **error)
{
  BerthSnapshot *base = berth_libvirt_base_of (self, vm, error);
  BerthTemplate *template = g_hash_table_lookup (self->templates, berth_vm_get_template (vm));
  BerthImages *images = base != NULL ? berth_libvirt_get_images (self, error) : NULL;
  g_autoptr (GTask) job = NULL;
  CopyCall *call;

  if (images == NULL)
    return FALSE;
  if (template == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "there is no template %s any more",
                   berth_vm_get_template (vm));
      return FALSE;
    }
  call = g_new0 (CopyCall, 1);
  call->vm = g_object_ref (vm);
  call->base = berth_snapshot_ref (base);
  call->template = berth_template_ref (template);
  call->images = berth_images_ref (images);
  call->domain_type = berth_connection_get_domain_type (self->connection);
  call->name = dup_base_name (self, vm);
  call->how = *how;
  g_task_set_task_data (task, call, copy_call_free);
  job = g_task_new (self, NULL, described_cb, g_object_ref (task));
  g_task_set_task_data (job, call, NULL);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, job, describe_job);
  return TRUE;
}

void
berth_libvirt_copy (BerthHost *host, BerthVm *vm, int fd, guint64 max_bytes, gboolean stays,
                    GTask *task)
{
  const BerthMachineCopy how
      = { .fd = fd, .max_bytes = max_bytes, .keeps_base = TRUE, .stays = stays };
  g_autoptr (GTask) owned = task;
  GError *error = NULL;

  if (!copy_begin (BERTH_LIBVIRT (host), vm, &how, task, &error))
    g_task_return_error (task, error);
}

/* ---- one is loaded ---- */

typedef struct
{
  BerthForkBase *base;
  BerthTemplate *template;
  BerthImages *images;
  const char *domain_type; /* static */
  BerthSnapshot *known[2]; /* (nullable): of which one may be it */
} Find;

static void
find_free (gpointer data)
{
  Find *find = data;

  berth_fork_base_free (find->base);
  berth_template_unref (find->template);
  berth_images_unref (find->images);
  for (guint i = 0; i < G_N_ELEMENTS (find->known); i++)
    g_clear_pointer (&find->known[i], berth_snapshot_unref);
  g_free (find);
}

static gboolean
is_it (BerthSnapshot *snapshot, const BerthForkBase *base)
{
  return snapshot != NULL && g_strcmp0 (berth_snapshot_get_ram_sum (snapshot), base->sum) == 0
         && berth_snapshot_is_in_place (snapshot) && berth_snapshot_is_intact (snapshot, NULL);
}

static BerthSnapshot *
find_base (BerthConnection *libvirtd, const Find *find, GError **error)
{
  const BerthForkBase *base = find->base;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (libvirtd, BERTH_CONNECTION_START, error);
  g_auto (BerthKeyParts) parts = { 0 };

  if (connection == NULL
      || !berth_key_parts_read (libvirtd, connection, find->template, find->images,
                                find->domain_type, &parts, error)
      || !berth_key_parts_check ((const char *const *)base->parts, &parts, error))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (find->known); i++)
    if (is_it (find->known[i], base))
      return berth_snapshot_ref (find->known[i]);
  return berth_snapshot_open_base (base->dir, base->snapshot, base->key, base->sum, error);
}

static void
find_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;
  BerthSnapshot *base = find_base (BERTH_LIBVIRT (source)->connection, task_data, &error);

  if (base != NULL)
    g_task_return_pointer (task, base, (GDestroyNotify)berth_snapshot_unref);
  else
    g_task_return_error (task, error);
}

static Find *
find_new (BerthLibvirt *self, const BerthForkBase *base, GError **error)
{
  g_autofree char *name = berth_snapshot_split_name (base->snapshot, NULL);
  BerthTemplate *template = g_hash_table_lookup (self->templates, name);
  BerthImages *images = berth_libvirt_get_images (self, error);
  BerthSnapshot *current = berth_snapshot_stock_get (self->stock, base->snapshot);
  BerthSnapshot *before = g_hash_table_lookup (self->bases, base->sum);
  Find *find;

  if (images == NULL)
    return NULL;
  if (template == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "there is no template %s any more, which it was made with", name);
      return NULL;
    }
  find = g_new0 (Find, 1);
  find->base = berth_fork_base_copy (base);
  find->template = berth_template_ref (template);
  find->images = berth_images_ref (images);
  find->domain_type = berth_connection_get_domain_type (self->connection);
  find->known[0] = current != NULL ? berth_snapshot_ref (current) : NULL;
  find->known[1] = before != NULL ? berth_snapshot_ref (before) : NULL;
  return find;
}

void
berth_libvirt_find_base_async (BerthLibvirt *self, BerthFork *fork, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;
  Find *find = find_new (self, berth_fork_get_base (fork), &error);

  if (find == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, find, find_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, task, find_job);
}

BerthSnapshot *
berth_libvirt_find_base_finish (BerthLibvirt *self, GAsyncResult *result, GError **error)
{
  BerthSnapshot *base = g_task_propagate_pointer (G_TASK (result), error);
  const Find *find = g_task_get_task_data (G_TASK (result));

  /* to be checked once, and to be known as long as it is needed */
  if (base != NULL)
    g_hash_table_replace (self->bases, g_strdup (find->base->sum), berth_snapshot_ref (base));
  return base;
}

/* ---- what began with one is found again ---- */

static void
settled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (berth_machine_settle_finish (BERTH_MACHINE (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
berth_libvirt_settle (BerthHost *host, BerthVm *vm, GTask *task)
{
  g_autoptr (GTask) owned = task;
  BerthMachine *machine = berth_libvirt_get_machine (BERTH_LIBVIRT (host), vm);

  if (machine != NULL)
    berth_machine_settle_async (machine, settled_cb, g_steal_pointer (&owned));
  else
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_GONE, "its VM ended");
}

/* ---- which are needed ---- */

typedef struct
{
  char *dir;
  GHashTable *sums;
} Keep;

static void
keep_free (gpointer data)
{
  Keep *keep = data;

  g_free (keep->dir);
  g_hash_table_unref (keep->sums);
  g_free (keep);
}

static void
keep_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const Keep *keep = task_data;

  berth_snapshot_release_bases (keep->dir, BERTH_LIBVIRT (source)->instance, keep->sums);
  g_task_return_boolean (task, TRUE);
}

static gboolean
is_not_in (gpointer sum, gpointer snapshot, gpointer sums)
{
  return !g_hash_table_contains (sums, sum);
}

/* Those of VMs that run, too: they can be copied again. */
static void
add_used (BerthLibvirt *self, GHashTable *sums)
{
  GHashTableIter iter;
  BerthSlot *slot;

  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&slot))
    {
      BerthSnapshot *base
          = slot->machine != NULL ? berth_machine_get_snapshot (slot->machine) : NULL;
      const char *sum;

      if (base == NULL && slot->machine != NULL)
        base = berth_libvirt_snapshot_of (self, slot); /* an earlier berthd cloned it */
      sum = base != NULL ? berth_snapshot_get_ram_sum (base) : NULL;
      if (sum != NULL)
        g_hash_table_add (sums, g_strdup (sum));
    }
}

void
berth_libvirt_keep_bases (BerthHost *host, const char *dir, GHashTable *sums)
{
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);
  GHashTableIter iter;
  const char *sum;
  Keep *keep = g_new0 (Keep, 1);

  keep->dir = g_strdup (dir);
  keep->sums = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_iter_init (&iter, sums);
  while (g_hash_table_iter_next (&iter, (gpointer *)&sum, NULL))
    g_hash_table_add (keep->sums, g_strdup (sum));
  add_used (self, keep->sums);
  g_hash_table_foreach_remove (self->bases, is_not_in, keep->sums);
  g_task_set_task_data (task, keep, keep_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, task, keep_job);
}
