/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the snapshots of the templates in use, or with snapshot_scope=tenant those of the tenants
 * that use them. */
#include "plugin/snapshot/berth-snapshot-keeper-private.h"

#include "plugin/snapshot/berth-snapshot-places.h"
#include "pool/berth-error.h"

/* images.json is replaced by several events. */
#define CHECK_AGAIN_US (300 * G_TIME_SPAN_MILLISECOND)
/* For so long a tenant's snapshot stays when others want its place: each costs a boot. */
#define TENANT_STAYS_US (10 * G_TIME_SPAN_MINUTE)

static const char *const state_names[] = { [BERTH_SNAPSHOT_ENTRY_NONE] = "none",
                                           [BERTH_SNAPSHOT_ENTRY_CHECKING] = "checking",
                                           [BERTH_SNAPSHOT_ENTRY_MAKING] = "making",
                                           [BERTH_SNAPSHOT_ENTRY_VALID] = "valid",
                                           [BERTH_SNAPSHOT_ENTRY_FAILED] = "failed" };

G_DEFINE_FINAL_TYPE (BerthSnapshotKeeper, berth_snapshot_keeper, G_TYPE_OBJECT)

static void
berth_snapshot_keeper_dispose (GObject *object)
{
  BerthSnapshotKeeper *self = BERTH_SNAPSHOT_KEEPER (object);

  berth_snapshot_keeper_stop (self);
  g_clear_object (&self->pool);
  g_clear_object (&self->host);
  G_OBJECT_CLASS (berth_snapshot_keeper_parent_class)->dispose (object);
}

static void
berth_snapshot_keeper_finalize (GObject *object)
{
  BerthSnapshotKeeper *self = BERTH_SNAPSHOT_KEEPER (object);

  g_queue_clear (&self->turns.waiting);
  g_hash_table_unref (self->entries);
  g_clear_pointer (&self->templates, g_hash_table_unref);
  g_hash_table_unref (self->targets);
  g_hash_table_unref (self->forgotten);
  G_OBJECT_CLASS (berth_snapshot_keeper_parent_class)->finalize (object);
}

static void
berth_snapshot_keeper_class_init (BerthSnapshotKeeperClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_snapshot_keeper_dispose;
  G_OBJECT_CLASS (klass)->finalize = berth_snapshot_keeper_finalize;
}

static void
berth_snapshot_keeper_init (BerthSnapshotKeeper *self)
{
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                         (GDestroyNotify)berth_snapshot_entry_free);
  self->targets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->forgotten = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_queue_init (&self->turns.waiting);
}

static gboolean
keeper_is_by_tenant (BerthSnapshotKeeper *self)
{
  return g_strcmp0 (self->config->snapshot_scope, "tenant") == 0;
}

/* @event of all snapshots of @template_name: (nullable): of all that there are */
static void
keeper_fire (BerthSnapshotKeeper *self, const char *template_name, BerthSnapshotEntryEvent event)
{
  GHashTableIter iter;
  BerthSnapshotEntry *entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
    if (template_name == NULL
        || g_str_equal (berth_template_get_name (entry->template), template_name))
      berth_snapshot_entry_fire (entry, event, NULL);
}

/* What the settings name is made, whether a request has come or not. */
static void
keeper_follow_settings (BerthSnapshotKeeper *self)
{
  GHashTableIter iter;
  const char *name;
  BerthWarmTarget *target;

  g_hash_table_iter_init (&iter, self->targets);
  while (g_hash_table_iter_next (&iter, (gpointer *)&name, (gpointer *)&target))
    keeper_fire (self, name,
                 target->is_named && target->max > 0 ? BERTH_SNAPSHOT_ENTRY_WARM_WANTED
                                                     : BERTH_SNAPSHOT_ENTRY_WARM_CHANGED);
}

/* It is known now which snapshots hold. */
static void
keeper_is_ready (GObject *object)
{
  BerthSnapshotKeeper *self = BERTH_SNAPSHOT_KEEPER (object);

  self->ready_func (self->ready_data);
  keeper_follow_settings (self);
}

/* ---- what makes a snapshot be looked at again ---- */

void
berth_snapshot_keeper_note_spoilt (BerthSnapshotKeeper *self, const char *name, const char *reason)
{
  BerthSnapshotEntry *entry = g_hash_table_lookup (self->entries, name);
  g_autoptr (GError) error
      = g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                     "the snapshot was thrown away with its warm VMs: %s", reason);

  if (entry == NULL || self->turns.is_stopped)
    return; /* of a tenant that had to give its place to another */
  berth_snapshot_entry_fire (entry, BERTH_SNAPSHOT_ENTRY_SPOILT, error);
}

static gboolean
check_again_cb (gpointer user_data)
{
  BerthSnapshotKeeper *self = user_data;

  self->check_again_id = 0;
  berth_snapshot_keeper_check_again (self);
  return G_SOURCE_REMOVE;
}

static void
images_changed_cb (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                   gpointer user_data)
{
  BerthSnapshotKeeper *self = user_data;

  if (self->check_again_id == 0 && !self->turns.is_stopped)
    self->check_again_id = berth_host_add_timer (self->host, CHECK_AGAIN_US, check_again_cb, self);
}

static void
keeper_watch_images (BerthSnapshotKeeper *self)
{
  g_autofree char *path = g_build_filename (self->config->image_dir, "images.json", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);

  /* without it, the next start finds out */
  self->images_monitor = g_file_monitor_file (file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
  if (self->images_monitor != NULL)
    g_signal_connect_object (self->images_monitor, "changed", G_CALLBACK (images_changed_cb), self,
                             0);
}

void
berth_snapshot_keeper_check_again (BerthSnapshotKeeper *self)
{
  keeper_fire (self, NULL, BERTH_SNAPSHOT_ENTRY_CHECK);
}

/* ---- tenants ---- */

static BerthSnapshotEntry *
keeper_add (BerthSnapshotKeeper *self, BerthTemplate *template, const char *tenant_key)
{
  BerthSnapshotEntry *entry = berth_snapshot_entry_new (
      &self->turns, template, tenant_key,
      g_hash_table_lookup (self->targets, berth_template_get_name (template)));

  g_hash_table_insert (self->entries, entry->name, entry);
  return entry;
}

static BerthSnapshotPlace
place_of (BerthSnapshotEntry *entry)
{
  return (BerthSnapshotPlace){
    .uid = entry->tenant_key != NULL ? berth_request_uid_of_tenant_key (entry->tenant_key) : 0,
    .wanted_us = entry->wanted_us,
    .is_idle = berth_snapshot_entry_is_idle (entry),
  };
}

/* FALSE: every place is one of a tenant that still uses it, and that may keep it. */
static gboolean
keeper_make_room (BerthSnapshotKeeper *self, guint32 uid)
{
  gint64 before_us = berth_host_get_time (self->host) - TENANT_STAYS_US;
  guint n = g_hash_table_size (self->entries);
  g_autofree BerthSnapshotEntry **entries = g_new0 (BerthSnapshotEntry *, n);
  g_autofree BerthSnapshotPlace *places = g_new0 (BerthSnapshotPlace, n);
  GHashTableIter iter;
  gint goes = -1;

  if (n < self->config->tenant_snapshots)
    return TRUE;
  g_hash_table_iter_init (&iter, self->entries);
  for (guint i = 0; i < n && g_hash_table_iter_next (&iter, NULL, (gpointer *)&entries[i]); i++)
    places[i] = place_of (entries[i]);
  goes = berth_snapshot_places_pick (places, n, uid, before_us);
  if (goes < 0)
    return FALSE;
  berth_snapshot_entry_end (entries[goes]);
  g_hash_table_remove (self->entries, entries[goes]->name);
  return TRUE;
}

/* (nullable): of the snapshot that @request's VM may be cloned from */
static BerthSnapshotEntry *
keeper_ensure (BerthSnapshotKeeper *self, BerthRequest *request)
{
  const char *tenant_key = keeper_is_by_tenant (self) ? request->tenant_key : NULL;
  g_autofree char *name = berth_snapshot_make_name (request->shape.template_name, tenant_key);
  BerthSnapshotEntry *entry = g_hash_table_lookup (self->entries, name);
  BerthTemplate *template = g_hash_table_lookup (self->templates, request->shape.template_name);

  if (entry != NULL || tenant_key == NULL || template == NULL)
    return entry;
  return keeper_make_room (self, request->uid) ? keeper_add (self, template, tenant_key) : NULL;
}

/* Those of before that nobody's VMs are cloned from in this scope go; tenants' own are known
 * again. */
static void
keeper_sort_out (BerthSnapshotKeeper *self)
{
  g_autoptr (GPtrArray) names = berth_snapshot_list_names (self->config->snapshot_dir);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *tenant_key = NULL;
      g_autofree char *template_name = berth_snapshot_split_name (names->pdata[i], &tenant_key);
      BerthTemplate *template = g_hash_table_lookup (self->templates, template_name);

      if (template == NULL || g_hash_table_contains (self->entries, names->pdata[i]))
        continue;
      if (keeper_is_by_tenant (self) && tenant_key != NULL
          && g_hash_table_size (self->entries) < self->config->tenant_snapshots)
        keeper_add (self, template, tenant_key);
      else
        berth_snapshot_clean (self->config->snapshot_dir, names->pdata[i], NULL);
    }
}

void
berth_snapshot_keeper_want (BerthSnapshotKeeper *self, BerthRequest *request)
{
  BerthSnapshotEntry *entry = self->turns.is_off ? NULL : keeper_ensure (self, request);

  if (entry == NULL)
    return;
  entry->wanted_us = berth_host_get_time (self->host);
  berth_snapshot_entry_fire (entry, BERTH_SNAPSHOT_ENTRY_WANTED, NULL);
}

/* ---- what an administrator asks ---- */

void
berth_snapshot_keeper_retry (BerthSnapshotKeeper *self, const char *template_name)
{
  keeper_fire (self, template_name, BERTH_SNAPSHOT_ENTRY_RETRY);
}

void
berth_snapshot_keeper_note_boot (BerthSnapshotKeeper *self, const char *template_name,
                                 gboolean is_success)
{
  GHashTableIter iter;
  BerthSnapshotEntry *entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
    if (!g_str_equal (berth_template_get_name (entry->template), template_name))
      continue;
    else if (!is_success)
      entry->is_encouraged = FALSE;
    else if (!entry->is_encouraged) /* one success is believed once */
      entry->is_encouraged = berth_snapshot_entry_fire (entry, BERTH_SNAPSHOT_ENTRY_BOOTED, NULL);
}

static gboolean
keeper_may_make (BerthSnapshotKeeper *self, const char *template_name, GError **error)
{
  if (!g_hash_table_contains (self->templates, template_name))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "there is no template %s", template_name);
  else if (self->turns.is_off)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                 "snapshots are turned off: set snapshot_scope to shared");
  else if (keeper_is_by_tenant (self))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                 "with snapshot_scope=tenant a snapshot is made when its tenant first asks for %s; "
                 "to have them made again: berth template remove --snapshot %s",
                 template_name, template_name);
  else if (self->turns.is_stopped)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is shutting down");
  else
    return TRUE;
  return FALSE;
}

void
berth_snapshot_keeper_make_async (BerthSnapshotKeeper *self, const char *template_name,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GError) error = NULL;
  BerthSnapshotEntry *entry = g_hash_table_lookup (self->entries, template_name);

  g_task_set_source_tag (task, berth_snapshot_keeper_make_async);
  if (!keeper_may_make (self, template_name, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_ptr_array_add (entry->callers, g_steal_pointer (&task));
  berth_snapshot_entry_fire (entry, BERTH_SNAPSHOT_ENTRY_MAKE, NULL);
}

gboolean
berth_snapshot_keeper_make_finish (BerthSnapshotKeeper *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
berth_snapshot_keeper_remove (BerthSnapshotKeeper *self, const char *template_name)
{
  keeper_fire (self, template_name, BERTH_SNAPSHOT_ENTRY_REMOVE);
}

void
berth_snapshot_keeper_set_target (BerthSnapshotKeeper *self, const char *template_name, guint min,
                                  guint max)
{
  BerthWarmTarget *target = g_hash_table_lookup (self->targets, template_name);

  if (target == NULL)
    return;
  target->min = min;
  target->max = MAX (min, max);
  target->is_named = TRUE;
  keeper_fire (self, template_name,
               min > 0 ? BERTH_SNAPSHOT_ENTRY_WARM_WANTED : BERTH_SNAPSHOT_ENTRY_WARM_CHANGED);
}

/* What is told of a template that has several snapshots: the best of them, and all failures. */
typedef struct
{
  BerthSnapshotEntryState state;
  guint count;
  guint64 bytes;
  guint failures;
  const char *last_error; /* borrowed */
} KeepSum;

static KeepSum
keeper_sum_up (BerthSnapshotKeeper *self, const char *template_name)
{
  KeepSum sum = { .state = BERTH_SNAPSHOT_ENTRY_NONE };
  GHashTableIter iter;
  BerthSnapshotEntry *entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
    {
      guint64 bytes = 0;

      if (!g_str_equal (berth_template_get_name (entry->template), template_name))
        continue;
      sum.state = MAX (sum.state, entry->state);
      if (berth_host_get_snapshot_bytes (self->host, entry->name, &bytes))
        sum.count++;
      sum.bytes += bytes;
      sum.failures += entry->failures;
      if (entry->last_error != NULL)
        sum.last_error = entry->last_error;
    }
  return sum;
}

void
berth_snapshot_keeper_describe (BerthSnapshotKeeper *self, const char *template_name,
                                GVariantDict *dict)
{
  KeepSum sum = keeper_sum_up (self, template_name);

  g_variant_dict_insert (dict, "snapshot", "s",
                         self->turns.is_off ? "off" : state_names[sum.state]);
  g_variant_dict_insert (dict, "snapshots", "u", sum.count);
  g_variant_dict_insert (dict, "snapshot_mb", "u", (guint32)(sum.bytes / (1024 * 1024)));
  g_variant_dict_insert (dict, "snapshot_failures", "u", sum.failures);
  g_variant_dict_insert (dict, "snapshot_error", "s", sum.last_error != NULL ? sum.last_error : "");
  /* without a snapshot there are no warm VMs: what is told of the template is why */
  if (sum.last_error != NULL)
    {
      g_variant_dict_insert (dict, "failures", "u", sum.failures);
      g_variant_dict_insert (dict, "last_error", "s", sum.last_error);
    }
}

/* ---- its own life ---- */

static BerthWarmTarget *
target_new (const BerthConfig *config, BerthTemplate *template, guint max_vms)
{
  BerthWarmTarget *target = g_new0 (BerthWarmTarget, 1);

  target->memory_mb = berth_template_get_memory_mb (template);
  target->vcpus = berth_template_get_vcpus (template);
  target->max_idle_us = config->warm_max_idle_s * G_USEC_PER_SEC;
  target->is_named = berth_config_get_warm (config, berth_template_get_name (template),
                                            &target->min, &target->max);
  if (!target->is_named)
    {
      target->min = (guint)config->warm_default;
      target->max = target->min > 0 ? MAX (target->min, max_vms / 2) : 0;
    }
  return target;
}

/* What follows waits for the first look: until then nobody knows what there is. */
void
berth_snapshot_keeper_reload (BerthSnapshotKeeper *self, guint max_vms)
{
  GHashTableIter iter;
  const char *name;
  BerthWarmTarget *target;

  self->max_vms = max_vms;
  g_hash_table_iter_init (&iter, self->targets);
  while (g_hash_table_iter_next (&iter, (gpointer *)&name, (gpointer *)&target))
    {
      g_autofree BerthWarmTarget *fresh
          = target_new (self->config, g_hash_table_lookup (self->templates, name), max_vms);

      if (!g_hash_table_contains (self->forgotten, name))
        *target = *fresh;
    }
  if (self->ready_func != NULL && self->turns.n_looking == 0)
    keeper_follow_settings (self);
}

static void
keeper_replace_template (BerthSnapshotKeeper *self, BerthTemplate *template)
{
  GHashTableIter iter;
  BerthSnapshotEntry *entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
    if (g_str_equal (berth_template_get_name (entry->template), berth_template_get_name (template)))
      berth_snapshot_entry_set_template (entry, template);
}

void
berth_snapshot_keeper_note_template (BerthSnapshotKeeper *self, BerthTemplate *template)
{
  const char *name = berth_template_get_name (template);
  g_autofree BerthWarmTarget *wanted = target_new (self->config, template, self->max_vms);
  BerthWarmTarget *target = g_hash_table_lookup (self->targets, name);

  g_hash_table_remove (self->forgotten, name);
  if (target != NULL)
    {
      *target = *wanted;
      keeper_replace_template (self, template);
      keeper_fire (self, name, BERTH_SNAPSHOT_ENTRY_CHECK);
      return;
    }
  g_hash_table_insert (self->targets, g_strdup (name), g_steal_pointer (&wanted));
  if (!keeper_is_by_tenant (self))
    keeper_add (self, template, NULL);
}

void
berth_snapshot_keeper_forget (BerthSnapshotKeeper *self, const char *template_name)
{
  BerthWarmTarget *target = g_hash_table_lookup (self->targets, template_name);

  if (target == NULL)
    return;
  target->min = target->max = 0;
  target->is_named = FALSE;
  g_hash_table_add (self->forgotten, g_strdup (template_name));
  keeper_fire (self, template_name, BERTH_SNAPSHOT_ENTRY_REMOVE);
}

BerthSnapshotKeeper *
berth_snapshot_keeper_new (const BerthConfig *config, GHashTable *templates, BerthHost *host,
                           BerthPool *pool, guint max_vms)
{
  BerthSnapshotKeeper *self = g_object_new (BERTH_TYPE_SNAPSHOT_KEEPER, NULL);
  GHashTableIter iter;
  BerthTemplate *template;

  self->config = config;
  self->max_vms = max_vms;
  self->host = g_object_ref (host);
  self->pool = g_object_ref (pool);
  self->turns.owner = G_OBJECT (self);
  self->turns.config = config;
  self->turns.host = host;
  self->turns.pool = pool;
  self->turns.is_off = g_strcmp0 (config->snapshot_scope, "none") == 0;
  self->turns.known_func = keeper_is_ready;
  self->templates = g_hash_table_ref (templates);
  berth_host_set_tenant_snapshots (host, keeper_is_by_tenant (self));
  g_hash_table_iter_init (&iter, templates);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&template))
    berth_snapshot_keeper_note_template (self, template);
  return self;
}

void
berth_snapshot_keeper_start (BerthSnapshotKeeper *self, BerthSnapshotKeeperReadyFunc ready,
                             gpointer user_data)
{
  GHashTableIter iter;
  BerthSnapshotEntry *entry;

  self->ready_func = ready;
  self->ready_data = user_data;
  if (self->turns.is_off)
    {
      ready (user_data);
      return;
    }
  keeper_watch_images (self);
  keeper_sort_out (self);
  self->turns.n_looking = g_hash_table_size (self->entries);
  if (self->turns.n_looking == 0)
    keeper_is_ready (G_OBJECT (self));
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
    berth_snapshot_entry_look_first (entry);
}

void
berth_snapshot_keeper_stop (BerthSnapshotKeeper *self)
{
  GHashTableIter iter;
  BerthSnapshotEntry *entry;

  if (self->turns.is_stopped)
    return;
  self->turns.is_stopped = TRUE;
  g_clear_object (&self->images_monitor);
  g_clear_handle_id (&self->check_again_id, g_source_remove);
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&entry))
    {
      g_autoptr (GError) error
          = g_error_new_literal (BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is shutting down");

      g_clear_handle_id (&entry->retry_id, g_source_remove);
      berth_snapshot_entry_answer_callers (entry, error);
    }
}
