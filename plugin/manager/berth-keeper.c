/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the snapshots of the templates in use, or with snapshot_scope=tenant those of the tenants
 * that use them. */
#include "berth-keeper.h"

#include "berth-keeper-private.h"
#include "pool/berth-error.h"

/* images.json is replaced by several events. */
#define CHECK_AGAIN_MS 300u
/* For so long a tenant's snapshot stays when others want its place: each costs a boot. */
#define TENANT_STAYS_US (10 * G_TIME_SPAN_MINUTE)

static const char *const state_names[] = { [BERTH_KEEP_NONE] = "none",
                                           [BERTH_KEEP_CHECKING] = "checking",
                                           [BERTH_KEEP_MAKING] = "making",
                                           [BERTH_KEEP_VALID] = "valid",
                                           [BERTH_KEEP_FAILED] = "failed" };

G_DEFINE_FINAL_TYPE (BerthKeeper, berth_keeper, G_TYPE_OBJECT)

static void
berth_keeper_dispose (GObject *object)
{
  BerthKeeper *self = BERTH_KEEPER (object);

  berth_keeper_stop (self);
  g_clear_object (&self->pool);
  g_clear_object (&self->libvirt);
  G_OBJECT_CLASS (berth_keeper_parent_class)->dispose (object);
}

static void
berth_keeper_finalize (GObject *object)
{
  BerthKeeper *self = BERTH_KEEPER (object);

  g_queue_clear (&self->turns);
  g_hash_table_unref (self->keeps);
  g_clear_pointer (&self->templates, g_hash_table_unref);
  g_hash_table_unref (self->targets);
  G_OBJECT_CLASS (berth_keeper_parent_class)->finalize (object);
}

static void
berth_keeper_class_init (BerthKeeperClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_keeper_dispose;
  G_OBJECT_CLASS (klass)->finalize = berth_keeper_finalize;
}

static void
berth_keeper_init (BerthKeeper *self)
{
  self->keeps
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)berth_keep_free);
  self->targets = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  g_queue_init (&self->turns);
}

gboolean
berth_keeper_is_off (BerthKeeper *self)
{
  return g_strcmp0 (self->config->snapshot_scope, "none") == 0;
}

static gboolean
keeper_is_by_tenant (BerthKeeper *self)
{
  return g_strcmp0 (self->config->snapshot_scope, "tenant") == 0;
}

void
berth_keeper_is_ready (BerthKeeper *self)
{
  GHashTableIter iter;
  BerthKeep *keep;

  self->ready_func (self->ready_data);
  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    if (keep->state == BERTH_KEEP_NONE && keep->target->is_named && keep->target->max > 0)
      berth_keep_look (keep);
}

/* ---- what makes a snapshot be looked at again ---- */

static void
spoilt_cb (const char *name, const char *reason, gpointer user_data)
{
  BerthKeeper *self = user_data;
  BerthKeep *keep = g_hash_table_lookup (self->keeps, name);
  g_autoptr (GError) error
      = g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                     "the snapshot was thrown away with its warm VMs: %s", reason);

  if (keep == NULL)
    return; /* of a tenant that had to give its place to another */
  if (keep->state != BERTH_KEEP_MAKING)
    {
      berth_keep_has_failed (keep, error);
      return;
    }
  g_warning ("%s: %s", keep->name, error->message); /* a new one is under way */
  berth_keep_tell_pool (keep);
}

static gboolean
check_again_cb (gpointer user_data)
{
  BerthKeeper *self = user_data;

  self->check_again_id = 0;
  berth_keeper_check_again (self);
  return G_SOURCE_REMOVE;
}

static void
images_changed_cb (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                   gpointer user_data)
{
  BerthKeeper *self = user_data;

  if (self->check_again_id == 0 && !self->is_stopped)
    self->check_again_id = g_timeout_add (CHECK_AGAIN_MS, check_again_cb, self);
}

static void
keeper_watch_images (BerthKeeper *self)
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
berth_keeper_check_again (BerthKeeper *self)
{
  GHashTableIter iter;
  BerthKeep *keep;

  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    if (keep->state == BERTH_KEEP_VALID || keep->state == BERTH_KEEP_FAILED)
      berth_keep_look (keep);
}

/* ---- tenants ---- */

static BerthKeep *
keeper_add (BerthKeeper *self, BerthTemplate *template, const char *tenant_key)
{
  BerthKeep *keep = berth_keep_new (self, template, tenant_key);

  g_hash_table_insert (self->keeps, keep->name, keep);
  return keep;
}

/* FALSE: every place is one of a tenant that still uses it. */
static gboolean
keeper_make_room (BerthKeeper *self)
{
  gint64 before_us = g_get_monotonic_time () - TENANT_STAYS_US;
  GHashTableIter iter;
  BerthKeep *keep;
  BerthKeep *oldest = NULL;

  if (g_hash_table_size (self->keeps) < self->config->tenant_snapshots)
    return TRUE;
  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    if (berth_keep_is_idle (keep) && keep->wanted_us < before_us
        && (oldest == NULL || keep->wanted_us < oldest->wanted_us))
      oldest = keep;
  if (oldest == NULL)
    return FALSE;
  berth_keep_remove_snapshot (oldest);
  g_hash_table_remove (self->keeps, oldest->name);
  return TRUE;
}

/* (nullable): of the snapshot that @request's VM may be cloned from */
static BerthKeep *
keeper_ensure (BerthKeeper *self, BerthRequest *request)
{
  const char *tenant_key = keeper_is_by_tenant (self) ? request->tenant_key : NULL;
  g_autofree char *name = berth_snapshot_make_name (request->template_name, tenant_key);
  BerthKeep *keep = g_hash_table_lookup (self->keeps, name);
  BerthTemplate *template = g_hash_table_lookup (self->templates, request->template_name);

  if (keep != NULL || tenant_key == NULL || template == NULL)
    return keep;
  return keeper_make_room (self) ? keeper_add (self, template, tenant_key) : NULL;
}

/* Those of before that nobody's VMs are cloned from in this scope go; tenants' own are known
 * again. */
static void
keeper_sort_out (BerthKeeper *self)
{
  g_autoptr (GPtrArray) names = berth_snapshot_list_names (self->config->snapshot_dir);

  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *tenant_key = NULL;
      g_autofree char *template_name = berth_snapshot_split_name (names->pdata[i], &tenant_key);
      BerthTemplate *template = g_hash_table_lookup (self->templates, template_name);

      if (template == NULL || g_hash_table_contains (self->keeps, names->pdata[i]))
        continue;
      if (keeper_is_by_tenant (self) && tenant_key != NULL
          && g_hash_table_size (self->keeps) < self->config->tenant_snapshots)
        keeper_add (self, template, tenant_key);
      else
        berth_snapshot_clean (self->config->snapshot_dir, names->pdata[i], NULL);
    }
}

void
berth_keeper_want (BerthKeeper *self, BerthRequest *request)
{
  BerthKeep *keep = berth_keeper_is_off (self) ? NULL : keeper_ensure (self, request);

  if (keep == NULL)
    return;
  keep->wanted_us = g_get_monotonic_time ();
  if (keep->state == BERTH_KEEP_NONE)
    berth_keep_look (keep);
}

/* ---- what an administrator asks ---- */

typedef void (*KeepFunc) (BerthKeep *keep);

static void
for_keeps_of (BerthKeeper *self, const char *template_name, KeepFunc func)
{
  GHashTableIter iter;
  BerthKeep *keep;

  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    if (g_str_equal (berth_template_get_name (keep->template), template_name))
      func (keep);
}

static void
retry (BerthKeep *keep)
{
  if (keep->state == BERTH_KEEP_FAILED)
    berth_keep_look (keep);
}

void
berth_keeper_retry (BerthKeeper *self, const char *template_name)
{
  for_keeps_of (self, template_name, retry);
}

static gboolean
keeper_may_make (BerthKeeper *self, const char *template_name, GError **error)
{
  if (!g_hash_table_contains (self->templates, template_name))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "there is no template %s", template_name);
  else if (berth_keeper_is_off (self))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                 "snapshots are turned off: set snapshot_scope to shared");
  else if (keeper_is_by_tenant (self))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                 "with snapshot_scope=tenant a snapshot is made when its tenant first asks for %s; "
                 "to have them made again: berth template remove %s",
                 template_name, template_name);
  else if (self->is_stopped)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is shutting down");
  else
    return TRUE;
  return FALSE;
}

void
berth_keeper_make_async (BerthKeeper *self, const char *template_name, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GError) error = NULL;
  BerthKeep *keep = g_hash_table_lookup (self->keeps, template_name);

  g_task_set_source_tag (task, berth_keeper_make_async);
  if (!keeper_may_make (self, template_name, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_ptr_array_add (keep->callers, g_steal_pointer (&task));
  berth_keep_look (keep);
}

gboolean
berth_keeper_make_finish (BerthKeeper *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
remove_if_idle (BerthKeep *keep)
{
  if (keep->state == BERTH_KEEP_VALID || keep->state == BERTH_KEEP_FAILED)
    berth_keep_remove_snapshot (keep);
}

void
berth_keeper_remove (BerthKeeper *self, const char *template_name)
{
  for_keeps_of (self, template_name, remove_if_idle);
}

static void
follow_target (BerthKeep *keep)
{
  if (keep->state == BERTH_KEEP_VALID)
    berth_keep_tell_target (keep);
  else if (keep->state == BERTH_KEEP_NONE && keep->target->min > 0)
    berth_keep_look (keep);
}

void
berth_keeper_set_target (BerthKeeper *self, const char *template_name, guint min, guint max)
{
  BerthWarmTarget *target = g_hash_table_lookup (self->targets, template_name);

  if (target == NULL)
    return;
  target->min = min;
  target->max = MAX (min, max);
  target->is_named = TRUE;
  for_keeps_of (self, template_name, follow_target);
}

/* What is told of a template that has several snapshots: the best of them, and all failures. */
typedef struct
{
  BerthKeepState state;
  guint count;
  guint64 bytes;
  guint failures;
  const char *last_error; /* borrowed */
} KeepSum;

static KeepSum
keeper_sum_up (BerthKeeper *self, const char *template_name)
{
  KeepSum sum = { .state = BERTH_KEEP_NONE };
  GHashTableIter iter;
  BerthKeep *keep;

  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    {
      BerthSnapshot *snapshot = berth_libvirt_get_snapshot (self->libvirt, keep->name);

      if (!g_str_equal (berth_template_get_name (keep->template), template_name))
        continue;
      sum.state = MAX (sum.state, keep->state);
      sum.count += snapshot != NULL ? 1 : 0;
      sum.bytes += snapshot != NULL ? berth_snapshot_get_disk_bytes (snapshot) : 0;
      sum.failures += keep->failures;
      if (keep->last_error != NULL)
        sum.last_error = keep->last_error;
    }
  return sum;
}

void
berth_keeper_describe (BerthKeeper *self, const char *template_name, GVariantDict *dict)
{
  KeepSum sum = keeper_sum_up (self, template_name);

  g_variant_dict_insert (dict, "snapshot", "s",
                         berth_keeper_is_off (self) ? "off" : state_names[sum.state]);
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

BerthKeeper *
berth_keeper_new (const BerthConfig *config, GHashTable *templates, BerthLibvirt *libvirt,
                  BerthPool *pool, guint max_vms)
{
  BerthKeeper *self = g_object_new (BERTH_TYPE_KEEPER, NULL);
  GHashTableIter iter;
  const char *name;
  BerthTemplate *template;

  self->config = config;
  self->libvirt = g_object_ref (libvirt);
  self->pool = g_object_ref (pool);
  self->templates = g_hash_table_ref (templates);
  berth_libvirt_set_tenant_snapshots (libvirt, keeper_is_by_tenant (self));
  g_hash_table_iter_init (&iter, templates);
  while (g_hash_table_iter_next (&iter, (gpointer *)&name, (gpointer *)&template))
    {
      g_hash_table_insert (self->targets, (gpointer)name, target_new (config, template, max_vms));
      if (!keeper_is_by_tenant (self))
        keeper_add (self, template, NULL);
    }
  return self;
}

void
berth_keeper_start (BerthKeeper *self, BerthKeeperReadyFunc ready, gpointer user_data)
{
  GHashTableIter iter;
  BerthKeep *keep;

  self->ready_func = ready;
  self->ready_data = user_data;
  berth_libvirt_set_spoilt_func (self->libvirt, spoilt_cb, self);
  if (berth_keeper_is_off (self))
    {
      ready (user_data);
      return;
    }
  keeper_watch_images (self);
  keeper_sort_out (self);
  self->n_looking = g_hash_table_size (self->keeps);
  if (self->n_looking == 0)
    berth_keeper_is_ready (self);
  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    berth_keep_look_first (keep);
}

void
berth_keeper_stop (BerthKeeper *self)
{
  GHashTableIter iter;
  BerthKeep *keep;

  if (self->is_stopped)
    return;
  self->is_stopped = TRUE;
  g_clear_object (&self->images_monitor);
  g_clear_handle_id (&self->check_again_id, g_source_remove);
  berth_libvirt_set_spoilt_func (self->libvirt, NULL, NULL);
  g_hash_table_iter_init (&iter, self->keeps);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&keep))
    {
      g_autoptr (GError) error
          = g_error_new_literal (BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is shutting down");

      g_clear_handle_id (&keep->retry_id, g_source_remove);
      berth_keep_answer_callers (keep, error);
    }
}
