/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole of berth in one object: host, templates, pool and guests behind a few verbs. */
#include "plugin/manager/berth-manager-private.h"
#include "pool/berth-error.h"

/* Sandboxes that are gone and can still say why, those of runs too. */
#define TOMBSTONES_MAX 4096u
/* PSI's shortest average is over 10 s; two small files are read each time. */
#define PRESSURE_EVERY_S 2u

G_DEFINE_FINAL_TYPE (BerthManager, berth_manager, G_TYPE_OBJECT)

static void
berth_manager_dispose (GObject *object)
{
  BerthManager *self = BERTH_MANAGER (object);

  if (self->pool != NULL)
    g_signal_handlers_disconnect_by_data (self->pool, self);
  g_clear_pointer (&self->sandboxes, g_hash_table_unref);
  berth_manager_clear_reach (self);
  if (self->keeper != NULL)
    berth_snapshot_keeper_stop (self->keeper);
  g_clear_object (&self->keeper);
  g_clear_handle_id (&self->pressure_id, g_source_remove);
  g_clear_handle_id (&self->room_id, g_source_remove);
  g_clear_object (&self->room);
  g_clear_object (&self->pool);
  g_clear_pointer (&self->ports, berth_ports_free);
  if (self->host != NULL)
    berth_host_close (self->host);
  g_clear_object (&self->host);
  if (self->checkpoints != NULL)
    berth_checkpoint_store_close (self->checkpoints);
  g_clear_object (&self->checkpoints);
  G_OBJECT_CLASS (berth_manager_parent_class)->dispose (object);
}

static void
berth_manager_finalize (GObject *object)
{
  BerthManager *self = BERTH_MANAGER (object);

  g_clear_pointer (&self->templates, g_hash_table_unref);
  g_clear_pointer (&self->gone, g_hash_table_unref);
  g_clear_pointer (&self->template_errors, g_ptr_array_unref);
  berth_tombstones_free (self->tombstones);
  g_hash_table_unref (self->captures);
  berth_metrics_free (self->metrics);
  berth_disk_account_unref (self->copies);
  g_hash_table_unref (self->hibernations);
  berth_config_free (self->config);
  G_OBJECT_CLASS (berth_manager_parent_class)->finalize (object);
}

static void
berth_manager_class_init (BerthManagerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = berth_manager_dispose;
  G_OBJECT_CLASS (klass)->finalize = berth_manager_finalize;
}

static void
berth_manager_init (BerthManager *self)
{
  self->sandboxes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
  self->tombstones = berth_tombstones_new (TOMBSTONES_MAX);
  self->captures = g_hash_table_new (NULL, NULL);
  self->metrics = berth_metrics_new ();
  self->copies = berth_disk_account_new ();
  self->hibernations = g_hash_table_new (NULL, NULL);
}

BerthManager *
berth_manager_new (BerthConfig *config, BerthHost *host)
{
  BerthManager *self = g_object_new (BERTH_TYPE_MANAGER, NULL);
  BerthCheckpointLimits limits;

  self->config = config;
  limits = berth_manager_get_checkpoint_limits (self);
  self->checkpoints = berth_checkpoint_store_new (&limits);
  self->host = g_object_ref (host);
  self->ports = berth_ports_new (host, config, self->metrics);
  return self;
}

/* ---- start ---- */

static void
state_cb (gboolean is_up, gpointer user_data)
{
  BerthManager *self = user_data;

  if (!self->is_started)
    return;
  berth_pool_set_open (self->pool, is_up);
  if (is_up)
    berth_snapshot_keeper_check_again (self->keeper);
}

static void
spoilt_cb (const char *name, const char *reason, gpointer user_data)
{
  berth_snapshot_keeper_note_spoilt (BERTH_MANAGER (user_data)->keeper, name, reason);
}

BerthTemplate *
berth_manager_find_template (BerthManager *self, const char *name)
{
  return g_hash_table_contains (self->gone, name) ? NULL
                                                  : g_hash_table_lookup (self->templates, name);
}

GList *
berth_manager_list_templates (BerthManager *self)
{
  GList *names = NULL;
  GHashTableIter iter;
  const char *name;

  g_hash_table_iter_init (&iter, self->templates);
  while (g_hash_table_iter_next (&iter, (gpointer *)&name, NULL))
    if (!g_hash_table_contains (self->gone, name))
      names = g_list_prepend (names, (gpointer)name);
  return g_list_sort (names, (GCompareFunc)g_strcmp0);
}

void
berth_manager_set_no_template_error (BerthManager *self, const char *name, GError **error)
{
  g_autoptr (GList) names = berth_manager_list_templates (self);
  g_autoptr (GString) known = g_string_new (NULL);

  for (GList *link = names; link != NULL; link = link->next)
    g_string_append_printf (known, "%s%s", known->len > 0 ? ", " : "", (const char *)link->data);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "there is no template %.128s; there are %s",
               name, known->str);
}

static void
idle_cb (BerthSandbox *sandbox, gpointer user_data)
{
  BerthManager *self = user_data;
  g_autofree char *reason = g_strdup_printf (
      "nobody used it for %g s", (double)berth_sandbox_get_idle_us (sandbox) / G_USEC_PER_SEC);

  berth_manager_end_sandbox (self, berth_sandbox_get_id (sandbox), reason);
}

/* Another VM has its id: it goes on there from an earlier moment; or it was restored before the end
 * of its VM was told. */
static void
manager_replace (BerthManager *self, BerthSandbox *before, BerthVm *next,
                 const BerthRequest *request)
{
  g_autoptr (BerthVm) vm = g_object_ref (berth_sandbox_get_vm (before));
  g_autofree char *reason = berth_manager_dup_replaced_reason (request);

  berth_manager_forget_sleeper (self, before);
  berth_manager_bury (self, before,
                      reason != NULL ? reason : "its VM ended, and it is there again in another");
  if (reason == NULL)
    return;
  berth_tombstones_remove (self->tombstones, berth_vm_get_id (vm));
  berth_manager_end_vm_after (self, vm, next);
}

BerthSandbox *
berth_manager_add_sandbox (BerthManager *self, BerthVm *vm, BerthRequest *request)
{
  gint64 idle_us = berth_manager_get_idle_us (self, request);
  BerthSandbox *sandbox = berth_sandbox_new (vm, self->host, request->uid, idle_us, idle_cb, self);
  BerthSandbox *before = g_hash_table_lookup (self->sandboxes, berth_sandbox_get_id (sandbox));
  BerthTemplate *template = g_hash_table_lookup (self->templates, berth_vm_get_template (vm));

  if (before != NULL)
    manager_replace (self, before, vm, request);
  berth_manager_set_pauses (self, sandbox, request);
  berth_manager_set_hibernation (self, sandbox, request);
  if (template != NULL)
    berth_sandbox_set_env (sandbox, berth_template_get_env (template));
  berth_sandbox_set_hangup (sandbox, self->config->terminal_hangup_s * G_USEC_PER_SEC);
  g_hash_table_insert (self->sandboxes, (gpointer)berth_sandbox_get_id (sandbox), sandbox);
  berth_manager_add_reach (self, sandbox, request);
  return sandbox;
}

void
berth_manager_bury (BerthManager *self, BerthSandbox *sandbox, const char *reason)
{
  berth_tombstones_add (self->tombstones, berth_sandbox_get_vm (sandbox),
                        berth_sandbox_get_uid (sandbox), reason);
  berth_ports_drop (self->ports, sandbox);
  berth_sandbox_close (sandbox, reason);
  g_hash_table_remove (self->sandboxes, berth_sandbox_get_id (sandbox));
}

BerthSandbox *
berth_manager_find (BerthManager *self, const char *id, guint32 uid, GError **error)
{
  BerthSandbox *sandbox = g_hash_table_lookup (self->sandboxes, id);

  /* of others, and of none: one answer, which tells nobody what there is */
  if (sandbox == NULL || (uid != 0 && uid != berth_sandbox_get_uid (sandbox)))
    {
      const BerthTombstone *stone = berth_tombstones_find (self->tombstones, id, uid);

      g_set_error (error, BERTH_ERROR, BERTH_ERROR_GONE, "sandbox %s is gone: %s; make a new one",
                   id, stone != NULL ? stone->reason : "berth knows none of this id");
      return NULL;
    }
  return sandbox;
}

static void
vm_gone_cb (BerthPool *pool, BerthVm *vm, gpointer user_data)
{
  BerthManager *self = user_data;
  BerthSandbox *sandbox = g_hash_table_lookup (self->sandboxes, berth_vm_get_id (vm));
  g_autofree char *reason = berth_vm_dup_end_reason (vm);

  /* it may have been restored meanwhile, and has another VM; or none */
  if (sandbox != NULL && berth_sandbox_get_vm (sandbox) == vm
      && !berth_sandbox_is_hibernated (sandbox))
    {
      berth_manager_bury (self, sandbox, reason != NULL ? reason : "its VM ended");
      berth_manager_fall_asleep (self, berth_vm_get_id (vm));
    }
  berth_tombstones_vm_gone (self->tombstones, vm);
}

static gboolean
manager_load_templates (BerthManager *self, GError **error)
{
  self->gone = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->templates = berth_template_load_all ((const char *const *)self->config->template_dirs,
                                             self->config->schema, &self->template_errors);
  for (guint i = 0; i < self->template_errors->len; i++)
    g_warning ("%s", ((GError *)g_ptr_array_index (self->template_errors, i))->message);
  if (g_hash_table_size (self->templates) > 0)
    return TRUE;
  if (self->template_errors->len > 0)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "no template can be used: %s",
                 ((GError *)g_ptr_array_index (self->template_errors, 0))->message);
  else
    {
      g_autofree char *dirs = g_strjoinv (", ", self->config->template_dirs);

      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG, "no template (*.xml) in %s", dirs);
    }
  return FALSE;
}

static gboolean
pressure_cb (gpointer user_data)
{
  BerthManager *self = user_data;
  gboolean before = self->pressure.is_pressed;

  if (berth_pressure_look (&self->pressure) == before)
    return G_SOURCE_CONTINUE;
  g_message (before ? "the host has memory again: warm VMs are made"
                    : "the host is short of memory: warm VMs go");
  berth_pool_set_pressure (self->pool, !before);
  return G_SOURCE_CONTINUE;
}

/* what @config says, and where it says nothing, what the host has */
static gboolean
derive_capacity (const BerthConfig *config, BerthCapacity *out_capacity, GError **error)
{
  /* a QEMU under TCG has 41 MB of its own beside its guest (design.md, the libvirt table) */
  const BerthHostPolicy policy = {
    .memory_overcommit = config->memory_overcommit,
    .cpu_overcommit = config->cpu_overcommit,
    .reserve_mb = (guint)config->host_reserve_mb,
    .vm_overhead_mb = 48,
    .vm_memory_mb = 192,
  };

  *out_capacity = (BerthCapacity){
    .max_vms = (guint)config->max_vms,
    .memory_mb = (guint)config->memory_mb,
    .vcpus = (guint)config->vcpus,
    .max_starts = (guint)config->max_starts,
    .max_waiters = (guint)config->max_waiters,
    .big_request_age_us = config->big_request_age_s * G_USEC_PER_SEC,
  };
  return berth_capacity_derive (out_capacity, &policy, "/", error);
}

static gboolean
manager_make_pool (BerthManager *self, GError **error)
{
  const BerthConfig *config = self->config;
  g_autoptr (BerthTenantPolicy) tenants = berth_config_dup_tenant_policy (config);
  BerthCapacity capacity;

  if (!derive_capacity (config, &capacity, error))
    return FALSE;
  self->pool = berth_pool_new (BERTH_HYPERVISOR (self->host), &capacity);
  berth_pool_set_tenants (self->pool, tenants);
  g_signal_connect (self->pool, "vm-gone", G_CALLBACK (vm_gone_cb), self);
  g_signal_connect_swapped (self->pool, "full", G_CALLBACK (berth_manager_note_full), self);
  self->keeper = berth_snapshot_keeper_new (config, self->templates, self->host, self->pool,
                                            capacity.max_vms);
  berth_pool_set_open (self->pool, FALSE); /* until what is there already is counted */
  self->max_vms = capacity.max_vms;
  berth_manager_tell_places (self);
  self->pressure.reserve_mb = (guint)config->host_reserve_mb;
  self->pressure_id
      = berth_host_add_timer (self->host, PRESSURE_EVERY_S * G_USEC_PER_SEC, pressure_cb, self);
  return TRUE;
}

void
berth_manager_tell_places (BerthManager *self)
{
  g_autoptr (GList) names = berth_manager_list_templates (self);
  g_autoptr (GPtrArray) array = g_ptr_array_new ();

  for (GList *link = names; link != NULL; link = link->next)
    g_ptr_array_add (array, link->data);
  g_ptr_array_add (array, NULL);
  berth_host_set_places (self->host, self->is_drained ? 0 : self->max_vms,
                         (const char *const *)array->pdata);
}

static void
tell_reloaded (const char *changed, const char *later)
{
  g_message ("the settings were read again: %s%s", *changed != '\0' ? changed : "nothing",
             *changed != '\0' ? " changed" : " that can change while berthd runs did");
  if (*later != '\0')
    g_warning ("%s changed, too, and holds from the next start of berthd on (systemctl restart "
               "berthd: sessions and warm VMs stay, programs that run end)",
               later);
}

gboolean
berth_manager_reload (BerthManager *self, const BerthConfig *from, GError **error)
{
  g_autofree char *changed = NULL;
  g_autofree char *later = NULL;
  BerthCapacity capacity;

  if (!derive_capacity (from, &capacity, error))
    return FALSE;
  berth_config_reload (self->config, from, &changed, &later);
  if (self->pool != NULL) /* else its start takes them */
    {
      g_autoptr (BerthTenantPolicy) tenants = berth_config_dup_tenant_policy (self->config);
      BerthCheckpointLimits limits;

      berth_pool_resize (self->pool, &capacity);
      self->max_vms = capacity.max_vms;
      berth_manager_tell_places (self);
      berth_pool_set_tenants (self->pool, tenants);
      berth_snapshot_keeper_reload (self->keeper, capacity.max_vms);
      berth_manager_reload_reach (self);
      limits = berth_manager_get_checkpoint_limits (self);
      berth_checkpoint_store_set_limits (self->checkpoints, &limits);
      self->pressure.reserve_mb = (guint)self->config->host_reserve_mb;
      berth_manager_note_full (self, TRUE); /* it looks whether it is, by what holds now */
    }
  tell_reloaded (changed, later);
  return TRUE;
}

static void
found_cb (BerthVm *vm, BerthRequest *request, gboolean is_paused, gpointer user_data)
{
  BerthManager *self = user_data;

  berth_pool_adopt (self->pool, vm, request, is_paused);
  if (berth_purpose_of (request)->domain_uuid != NULL)
    return; /* an administrator's domain is nobody's sandbox */
  /* the others' agents are greeted first, which may take longer than it may be unused */
  if (request != NULL && is_paused)
    berth_sandbox_note_asleep (berth_manager_add_sandbox (self, vm, request));
  else if (request != NULL)
    berth_sandbox_await_adoption (berth_manager_add_sandbox (self, vm, request));
}

static void
session_returns_cb (BerthVm *vm, BerthRequest *request, gboolean is_paused, gpointer user_data)
{
  berth_pool_adopt (BERTH_MANAGER (user_data)->pool, vm, request, is_paused);
}

static void
session_returned_cb (BerthVm *vm, BerthRequest *request, gboolean is_paused, gpointer user_data)
{
  BerthManager *self = user_data;
  BerthSandbox *sandbox = berth_manager_add_sandbox (self, vm, request);

  if (is_paused)
    berth_sandbox_note_asleep (sandbox);
  berth_sandbox_adopt (sandbox);
  berth_manager_start_reach (self, sandbox);
  berth_tombstones_remove (self->tombstones, berth_vm_get_id (vm));
}

/* Now all is counted that there is: the gate opens. */
static void
snapshots_known_cb (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);

  berth_host_adopt_warm (self->host, found_cb, self);
  berth_pool_set_open (self->pool, TRUE);
  self->is_started = TRUE;
  g_task_return_boolean (task, TRUE);
}

static void
checkpoints_opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthManager *self = BERTH_MANAGER (source);

  berth_manager_open_checkpoints_finish (self, result);
  berth_manager_find_sleepers (self);
  berth_snapshot_keeper_start (self->keeper, snapshots_known_cb, user_data);
}

static void
sessions_adopted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);

  GHashTableIter iter;
  gpointer sandbox;

  berth_host_finish (BERTH_HOST (source), result, NULL);
  g_hash_table_iter_init (&iter, self->sandboxes);
  while (g_hash_table_iter_next (&iter, NULL, &sandbox))
    {
      berth_sandbox_adopt (sandbox);
      berth_manager_start_reach (self, sandbox);
    }
  berth_manager_open_checkpoints_async (self, checkpoints_opened_cb, g_steal_pointer (&task));
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  const BerthHostWatch watch = { .state_changed = state_cb,
                                 .snapshot_spoilt = spoilt_cb,
                                 .session_returns = session_returns_cb,
                                 .session_returned = session_returned_cb,
                                 .copy_begins = berth_manager_copy_begins,
                                 .copy_ended = berth_manager_copy_ended,
                                 .take_disk = berth_manager_take_disk };
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;

  if (!berth_host_finish (BERTH_HOST (source), result, &error) || !manager_make_pool (self, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  berth_host_set_watch (self->host, &watch, self);
  berth_host_adopt_sessions_async (self->host, found_cb, self, sessions_adopted_cb,
                                   g_steal_pointer (&task));
}

void
berth_manager_start_async (BerthManager *self, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;

  g_task_set_source_tag (task, berth_manager_start_async);
  if (!manager_load_templates (self, &error) || !berth_manager_make_reach (self, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  berth_host_open_async (self->host, self->templates, cancellable, opened_cb,
                         g_steal_pointer (&task));
}

gboolean
berth_manager_start_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- the end ---- */

static void
shut_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthManager *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_pool_shutdown_finish (BERTH_POOL (source), result, &error);

  berth_host_close (self->host);
  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

void
berth_manager_shutdown_async (BerthManager *self, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GList) sandboxes = g_hash_table_get_values (self->sandboxes);

  g_task_set_source_tag (task, berth_manager_shutdown_async);
  self->is_started = FALSE;
  for (GList *item = sandboxes; item != NULL; item = item->next)
    berth_manager_bury (self, item->data, "berth stopped");
  if (self->keeper != NULL)
    berth_snapshot_keeper_stop (self->keeper);
  berth_host_set_places (self->host, 0, (const char *[]){ NULL }); /* nothing is left of us */
  if (self->pool == NULL)
    g_task_return_boolean (task, TRUE);
  else
    berth_pool_shutdown_async (self->pool, cancellable, shut_cb, g_steal_pointer (&task));
}

gboolean
berth_manager_shutdown_finish (BerthManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- what it shows ---- */

/* Every template that was loaded, whether the pool has seen it or not. */
static GVariant *
manager_get_templates (BerthManager *self, GVariant *seen)
{
  g_autoptr (GVariantDict) dict = g_variant_dict_new (seen);
  g_autoptr (GList) names = berth_manager_list_templates (self);

  for (GList *link = names; link != NULL; link = link->next)
    {
      const char *name = link->data;
      BerthTemplate *template = g_hash_table_lookup (self->templates, name);
      g_autoptr (GVariant) known = g_variant_dict_lookup_value (dict, name, G_VARIANT_TYPE_VARDICT);
      GVariantDict entry;

      g_variant_dict_init (&entry, known);
      if (!g_variant_dict_contains (&entry, "warm"))
        g_variant_dict_insert (&entry, "warm", "u", 0);
      if (!g_variant_dict_contains (&entry, "target"))
        g_variant_dict_insert (&entry, "target", "u", 0);
      if (!g_variant_dict_contains (&entry, "failures"))
        g_variant_dict_insert (&entry, "failures", "u", 0);
      if (!g_variant_dict_contains (&entry, "last_error"))
        g_variant_dict_insert (&entry, "last_error", "s", "");
      g_variant_dict_insert (&entry, "entry", "b", berth_template_get_entry (template) != NULL);
      berth_snapshot_keeper_describe (self->keeper, name, &entry);
      g_variant_dict_insert_value (dict, name, g_variant_dict_end (&entry));
    }
  return g_variant_dict_end (dict);
}

GVariant *
berth_manager_dup_status (BerthManager *self)
{
  g_autoptr (GVariant) pool = berth_pool_dup_status (self->pool);
  g_autoptr (GVariant) host = berth_host_dup_status (self->host);
  g_autoptr (GVariant) seen = g_variant_lookup_value (pool, "templates", G_VARIANT_TYPE_VARDICT);
  GVariantDict dict;

  g_variant_dict_init (&dict, pool);
  g_variant_dict_insert_value (&dict, "templates", manager_get_templates (self, seen));
  g_variant_dict_insert_value (&dict, "libvirt", host);
  g_variant_dict_insert (&dict, "hibernated", "u", berth_manager_count_sleepers (self));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

char *
berth_manager_dup_metrics (BerthManager *self, GVariant *status)
{
  g_autoptr (GString) text = g_string_new (NULL);

  BerthCheckpointTotals kept = berth_checkpoint_store_get_totals (self->checkpoints);

  berth_metrics_append_status (text, status);
  berth_metrics_append_checkpoints (text, kept.count, kept.bytes);
  berth_metrics_append_text (self->metrics, text);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* (nullable): what the host calls the domain of the VM that is made for @request */
static const char *
manager_find_domain_name (BerthManager *self, BerthRequest *request)
{
  g_autoptr (GPtrArray) vms = berth_pool_dup_vms (self->pool);

  for (guint i = 0; i < vms->len; i++)
    {
      g_autoptr (BerthRequest) its_request = berth_vm_dup_request (vms->pdata[i]);

      if (its_request == request)
        return berth_host_get_domain_name (self->host, vms->pdata[i]);
    }
  return NULL;
}

GVariant *
berth_manager_dup_progress (BerthManager *self, BerthManagerCall *call)
{
  BerthRequest *request = berth_manager_call_get_request (call);
  guint position = request != NULL ? berth_pool_get_position (self->pool, request) : 0;
  const char *domain = request != NULL ? manager_find_domain_name (self, request) : NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "state", "s",
                         request == NULL ? "running"
                         : position > 0  ? "waiting"
                                         : "starting");
  if (position > 0)
    g_variant_dict_insert (&dict, "position", "u", position);
  if (domain != NULL)
    g_variant_dict_insert (&dict, "domain", "s", domain);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

void
berth_manager_describe_origin (const char *id, const char *parent, const char *checkpoint,
                               GVariantDict *dict)
{
  if (parent != NULL && !g_str_equal (parent, id))
    g_variant_dict_insert (dict, "parent", "s", parent);
  if (checkpoint != NULL)
    g_variant_dict_insert (dict, "checkpoint", "s", checkpoint);
}

static GVariant *
manager_describe_vm (BerthManager *self, BerthVm *vm, BerthRequest *request)
{
  const char *domain = berth_host_get_domain_name (self->host, vm);
  BerthSandbox *sandbox = g_hash_table_lookup (self->sandboxes, berth_vm_get_id (vm));
  guint64 own;
  guint64 shared;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", berth_vm_get_id (vm));
  g_variant_dict_insert (&dict, "domain", "s", domain != NULL ? domain : "");
  g_variant_dict_insert (&dict, "template", "s", berth_vm_get_template (vm));
  g_variant_dict_insert (&dict, "state", "s", berth_vm_state_to_string (berth_vm_get_state (vm)));
  g_variant_dict_insert (&dict, "memory_mb", "u", berth_vm_get_memory_mb (vm));
  g_variant_dict_insert (&dict, "holds_slot", "b", berth_vm_holds_slot (vm));
  g_variant_dict_insert (&dict, "age_s", "d",
                         (double)(g_get_monotonic_time () - berth_vm_get_created_us (vm)) / 1e6);
  if (sandbox != NULL)
    g_variant_dict_insert (&dict, "exec_count", "u", berth_sandbox_get_exec_count (sandbox));
  if (berth_host_get_memory (self->host, vm, &own, &shared))
    {
      g_variant_dict_insert (&dict, "private_mb", "d", (double)own / (1024 * 1024));
      g_variant_dict_insert (&dict, "shared_mb", "d", (double)shared / (1024 * 1024));
    }
  if (request != NULL)
    {
      const BerthPurpose *purpose = berth_purpose_of (request);

      g_variant_dict_insert (&dict, "tenant", "s", request->tenant != NULL ? request->tenant : "");
      g_variant_dict_insert (&dict, "task", "s", request->task != NULL ? request->task : "");
      if (purpose->snapshot_name == NULL)
        g_variant_dict_insert (&dict, "uid", "u", request->uid);
      berth_manager_describe_origin (berth_vm_get_id (vm), purpose->parent, purpose->checkpoint,
                                     &dict);
    }
  return g_variant_dict_end (&dict);
}

GVariant *
berth_manager_dup_list (BerthManager *self, guint32 uid)
{
  g_autoptr (GPtrArray) vms = berth_pool_dup_vms (self->pool);
  GVariantBuilder list;

  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < vms->len; i++)
    {
      BerthVm *vm = g_ptr_array_index (vms, i);
      g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);

      if (uid == 0 || request == NULL || request->uid == uid)
        g_variant_builder_add_value (&list, manager_describe_vm (self, vm, request));
    }
  berth_manager_list_sleepers (self, uid, vms, &list);
  return g_variant_ref_sink (g_variant_builder_end (&list));
}
