/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries messages and effects between the core and the fake, one at a time. */
#include "core-world.h"

#include <gio/gio.h>

#include "berth-admission-private.h"

typedef struct
{
  BerthHypervisorEventType type;
  BerthVm *vm;
  GError *error;
} WorldEvent;

static void
result_free (CoreResult *result)
{
  g_clear_object (&result->vm);
  g_clear_error (&result->error);
  g_free (result);
}

static void
event_cb (BerthHypervisorEventType type, BerthVm *vm, const GError *error, gpointer user_data)
{
  CoreWorld *self = user_data;
  WorldEvent *event = g_new0 (WorldEvent, 1);

  event->type = type;
  event->vm = g_object_ref (vm);
  event->error = error != NULL ? g_error_copy (error) : NULL;
  g_queue_push_tail (&self->inbox, event);
}

CoreWorld *
core_world_new (const BerthCapacity *capacity)
{
  CoreWorld *self = g_new0 (CoreWorld, 1);

  self->core = berth_admission_new (capacity);
  self->fake = berth_fake_hypervisor_new_virtual ();
  self->capacity = *capacity;
  self->results
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)result_free);
  self->delivered = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
  self->gone = g_ptr_array_new_with_free_func (g_object_unref);
  g_queue_init (&self->inbox);
  berth_hypervisor_set_event_func (BERTH_HYPERVISOR (self->fake), event_cb, self);
  return self;
}

void
core_world_free (CoreWorld *self)
{
  g_assert_true (g_queue_is_empty (&self->inbox));
  berth_hypervisor_set_event_func (BERTH_HYPERVISOR (self->fake), NULL, NULL);
  berth_admission_free (self->core);
  g_object_unref (self->fake);
  g_hash_table_unref (self->results);
  g_hash_table_unref (self->delivered);
  g_ptr_array_unref (self->gone);
  g_free (self);
}

static void
note_completion (CoreWorld *self, BerthEffect *effect)
{
  CoreResult *result = g_new0 (CoreResult, 1);

  if (g_hash_table_contains (self->results, &effect->ticket))
    g_error ("invariant 3: ticket %" G_GUINT64_FORMAT " ended twice", effect->ticket);
  result->vm = g_steal_pointer (&effect->vm);
  result->error = g_steal_pointer (&effect->error);
  result->at_us = self->now_us;
  result->order = g_hash_table_size (self->results);
  g_hash_table_insert (self->results, g_memdup2 (&effect->ticket, sizeof (guint64)), result);
  if (result->vm != NULL && !g_hash_table_add (self->delivered, g_object_ref (result->vm)))
    g_error ("invariant 7: VM %s was handed out twice", berth_vm_get_id (result->vm));
}

static void
carry_out (CoreWorld *self, BerthEffect *effect)
{
  BerthHypervisor *hypervisor = BERTH_HYPERVISOR (self->fake);

  switch (effect->type)
    {
    case BERTH_EFFECT_START:
      if (effect->mode == BERTH_START_WARM && berth_waiters_get_length (self->core->queue) > 0)
        g_error ("invariant 4: a refill goes before a waiter");
      berth_hypervisor_start (hypervisor, effect->vm, effect->mode);
      break;
    case BERTH_EFFECT_CLAIM:
      berth_hypervisor_claim (hypervisor, effect->vm);
      break;
    case BERTH_EFFECT_PAUSE:
      g_assert_cmpint (berth_vm_get_state (effect->vm), ==, BERTH_VM_STATE_PAUSING);
      berth_hypervisor_pause (hypervisor, effect->vm);
      break;
    case BERTH_EFFECT_WAKE:
      g_assert_cmpint (berth_vm_get_state (effect->vm), ==, BERTH_VM_STATE_WAKING);
      berth_hypervisor_wake (hypervisor, effect->vm);
      break;
    case BERTH_EFFECT_DESTROY:
      berth_hypervisor_destroy (hypervisor, effect->vm);
      break;
    case BERTH_EFFECT_COMPLETE:
      note_completion (self, effect);
      break;
    case BERTH_EFFECT_VM_GONE:
      g_ptr_array_add (self->gone, g_object_ref (effect->vm));
      break;
    }
}

/* By what the fake sees: every domain that exists has a place. That the places stay within the
 * capacity, or above it only by what a resize left, the core checks itself. */
static void
check_world (CoreWorld *self)
{
  const BerthPlace *held = &self->core->budgets.held;
  gint64 domains = berth_fake_hypervisor_count_domains (self->fake);
  gint64 memory_mb = berth_fake_hypervisor_sum_memory_mb (self->fake);

  if (domains > held->slots || memory_mb > held->memory_mb)
    g_error ("invariant 1: %" G_GINT64_FORMAT " domains of %" G_GINT64_FORMAT
             " MiB exist in %" G_GINT64_FORMAT " slots of %" G_GINT64_FORMAT " MiB",
             domains, memory_mb, held->slots, held->memory_mb);
  berth_admission_check (self->core);
}

static void
handle_one (CoreWorld *self, const BerthMessage *message)
{
  g_autoptr (GPtrArray) effects
      = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_effect_free);

  self->n_messages++;
  berth_admission_handle (self->core, message, self->now_us, effects);
  for (guint i = 0; i < effects->len; i++)
    carry_out (self, effects->pdata[i]);
  check_world (self);
}

/* the fake's answers that are due now */
static void
drain (CoreWorld *self)
{
  berth_fake_hypervisor_set_now (self->fake, self->now_us);
  while (berth_fake_hypervisor_deliver (self->fake))
    {
      WorldEvent *event = g_queue_pop_head (&self->inbox);
      const BerthMessage message = {
        .type = BERTH_MESSAGE_EVENT,
        .event = event->type,
        .vm = event->vm,
        .error = event->error,
      };

      handle_one (self, &message);
      g_object_unref (event->vm);
      g_clear_error (&event->error);
      g_free (event);
    }
}

void
core_world_send (CoreWorld *self, const BerthMessage *message)
{
  berth_fake_hypervisor_set_now (self->fake, self->now_us);
  handle_one (self, message);
  drain (self);
}

guint64
core_world_acquire_request (CoreWorld *self, BerthRequest *request)
{
  const BerthMessage message = {
    .type = BERTH_MESSAGE_ACQUIRE,
    .ticket = ++self->last_ticket,
    .request = request,
  };

  core_world_send (self, &message);
  return message.ticket;
}

guint64
core_world_acquire (CoreWorld *self, const char *tenant, guint memory_mb, gint64 wait_us)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthRequest) request = berth_request_new (
      BERTH_SHAPE ("python", memory_mb, 1), tenant, NULL, 1000, wait_us, NULL, NULL, &error);

  g_assert_no_error (error);
  return core_world_acquire_request (self, request);
}

guint64
core_world_destroy (CoreWorld *self, BerthVm *vm)
{
  const BerthMessage message = {
    .type = BERTH_MESSAGE_DESTROY,
    .ticket = ++self->last_ticket,
    .vm = vm,
  };

  core_world_send (self, &message);
  return message.ticket;
}

guint64
core_world_pause (CoreWorld *self, BerthVm *vm)
{
  const BerthMessage message = {
    .type = BERTH_MESSAGE_PAUSE,
    .ticket = ++self->last_ticket,
    .vm = vm,
  };

  core_world_send (self, &message);
  return message.ticket;
}

guint64
core_world_wake (CoreWorld *self, BerthVm *vm, gint64 wait_us)
{
  g_autoptr (BerthRequest) owner = berth_vm_dup_request (vm);
  g_autoptr (BerthRequest) request = berth_request_new_wake (owner, wait_us);
  const BerthMessage message = {
    .type = BERTH_MESSAGE_WAKE,
    .ticket = ++self->last_ticket,
    .vm = vm,
    .request = request,
  };

  core_world_send (self, &message);
  return message.ticket;
}

void
core_world_cancel (CoreWorld *self, guint64 ticket)
{
  const BerthMessage message = { .type = BERTH_MESSAGE_CANCEL, .ticket = ticket };

  core_world_send (self, &message);
}

void
core_world_resize (CoreWorld *self, const BerthCapacity *capacity)
{
  const BerthMessage message = { .type = BERTH_MESSAGE_RESIZE, .capacity = capacity };

  self->capacity = *capacity;
  core_world_send (self, &message);
}

void
core_world_set_tenants (CoreWorld *self, BerthTenantPolicy *policy)
{
  const BerthMessage message = { .type = BERTH_MESSAGE_SET_TENANTS, .policy = policy };

  core_world_send (self, &message);
}

void
core_world_set_open (CoreWorld *self, gboolean open)
{
  const BerthMessage message = { .type = BERTH_MESSAGE_SET_OPEN, .flag = open };

  core_world_send (self, &message);
}

void
core_world_set_admitting (CoreWorld *self, gboolean admitting)
{
  const BerthMessage message = { .type = BERTH_MESSAGE_SET_ADMITTING, .flag = admitting };

  core_world_send (self, &message);
}

void
core_world_set_warm (CoreWorld *self, const char *template_name, const BerthWarmTarget *target)
{
  core_world_set_tenant_warm (self, template_name, NULL, target);
}

void
core_world_set_tenant_warm (CoreWorld *self, const char *template_name, const char *tenant_key,
                            const BerthWarmTarget *target)
{
  const BerthMessage message = {
    .type = BERTH_MESSAGE_SET_WARM,
    .template_name = template_name,
    .tenant_key = tenant_key,
    .target = target,
  };

  core_world_send (self, &message);
}

void
core_world_tell (CoreWorld *self, BerthMessageType type, const char *template_name, gboolean flag)
{
  const BerthMessage message = { .type = type, .template_name = template_name, .flag = flag };

  core_world_send (self, &message);
}

guint64
core_world_shutdown (CoreWorld *self)
{
  const BerthMessage message = { .type = BERTH_MESSAGE_SHUTDOWN, .ticket = ++self->last_ticket };

  core_world_send (self, &message);
  return message.ticket;
}

CoreResult *
core_world_get_result (CoreWorld *self, guint64 ticket)
{
  return g_hash_table_lookup (self->results, &ticket);
}

BerthVm *
core_world_get_vm (CoreWorld *self, guint64 ticket)
{
  CoreResult *result = core_world_get_result (self, ticket);

  g_assert_nonnull (result);
  g_assert_no_error (result->error);
  g_assert_nonnull (result->vm);
  return result->vm;
}

void
core_world_assert_done (CoreWorld *self, guint64 ticket)
{
  CoreResult *result = core_world_get_result (self, ticket);

  g_assert_nonnull (result);
  g_assert_no_error (result->error);
}

void
core_world_assert_pending (CoreWorld *self, guint64 ticket)
{
  g_assert_null (core_world_get_result (self, ticket));
}

void
core_world_assert_error (CoreWorld *self, guint64 ticket, GQuark domain, gint code)
{
  CoreResult *result = core_world_get_result (self, ticket);

  g_assert_nonnull (result);
  g_assert_error (result->error, domain, code);
}

guint
core_world_get_number (CoreWorld *self, const char *group, const char *key)
{
  g_autoptr (GVariant) status = berth_admission_dup_status (self->core, self->now_us);
  g_autoptr (GVariant) dict = g_variant_lookup_value (status, group, G_VARIANT_TYPE_VARDICT);
  guint number = 0;

  g_assert_nonnull (dict);
  g_assert_true (g_variant_lookup (dict, key, "u", &number));
  return number;
}

void
core_world_assert_free (CoreWorld *self, guint wanted, const char *wanted_bound)
{
  g_autoptr (GVariant) status = berth_admission_dup_status (self->core, self->now_us);
  g_autoptr (GVariant) slots = g_variant_lookup_value (status, "slots", G_VARIANT_TYPE_VARDICT);
  const char *bound = NULL;

  g_assert_cmpuint (core_world_get_number (self, "slots", "free"), ==, wanted);
  g_assert_true (g_variant_lookup (slots, "bound", "&s", &bound));
  g_assert_cmpstr (bound, ==, wanted_bound);
}

GVariant *
core_world_dup_template (CoreWorld *self, const char *template_name)
{
  g_autoptr (GVariant) status = berth_admission_dup_status (self->core, self->now_us);
  g_autoptr (GVariant) templates
      = g_variant_lookup_value (status, "templates", G_VARIANT_TYPE_VARDICT);
  GVariant *dict = g_variant_lookup_value (templates, template_name, G_VARIANT_TYPE_VARDICT);

  g_assert_nonnull (dict);
  return dict;
}

guint
core_world_get_template_number (CoreWorld *self, const char *template_name, const char *key)
{
  g_autoptr (GVariant) dict = core_world_dup_template (self, template_name);
  guint number = 0;

  g_assert_true (g_variant_lookup (dict, key, "u", &number));
  return number;
}

void
core_world_advance (CoreWorld *self, gint64 us)
{
  const BerthMessage tick = { .type = BERTH_MESSAGE_TICK };
  gint64 end_us = self->now_us + us;

  while (TRUE)
    {
      gint64 fake_us = berth_fake_hypervisor_next_due_us (self->fake);
      gint64 core_us = berth_admission_next_wakeup_us (self->core);
      gint64 next_us = MIN (fake_us, core_us);

      if (next_us > end_us)
        break;
      self->now_us = MAX (self->now_us, next_us);
      if (fake_us <= core_us)
        drain (self);
      else
        core_world_send (self, &tick);
    }
  self->now_us = end_us;
}
