/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes the messages of admission one by one, and decides how each ends. */
#include "berth-admission-private.h"

#include <gio/gio.h>

#include "berth-error.h"

/**
 * BerthAdmission:
 *
 * The one owner of all capacity state. It has no thread, no clock and no hypervisor: every
 * message comes with the time at which it is handled and returns the effects that somebody else
 * carries out, so a test can replay any order of messages under any clock. berth-pool.c runs it on
 * its thread, behind a queue.
 *
 * A request's way: it joins the queue; when it is its turn and a VM of its size fits into every
 * budget, it is admitted: a place is taken and start() is called there. The place is the request's
 * until it has its VM: a start that failed in a way that may pass is tried again in the same place.
 * Then the VM is its owner's, and the place goes back when the hypervisor says that nothing is left
 * of it.
 */

static void
waiter_free (BerthAdmissionWaiter *waiter)
{
  berth_request_unref (waiter->base.request);
  g_clear_error (&waiter->first_error);
  g_free (waiter);
}

void
berth_effect_free (BerthEffect *effect)
{
  g_clear_object (&effect->vm);
  g_clear_error (&effect->error);
  g_free (effect);
}

BerthAdmission *
berth_admission_new (const BerthCapacity *capacity)
{
  BerthAdmission *self = g_new0 (BerthAdmission, 1);

  self->budgets.capacity = *capacity;
  self->allowed = berth_budgets_free (&self->budgets);
  self->tenants = berth_tenants_new ();
  berth_tenants_set_capacity (self->tenants, capacity);
  self->queue = berth_waiters_new (self->tenants);
  self->waiters
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify)waiter_free);
  self->by_request = g_hash_table_new (NULL, NULL);
  self->no_wait = g_hash_table_new (NULL, NULL);
  self->set_aside = g_array_new (FALSE, FALSE, sizeof (BerthPlace));
  self->kept_from_us = G_MAXINT64;
  self->vms = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify)berth_admission_vm_free);
  g_queue_init (&self->order);
  self->warm = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_warm_free);
  self->shutdown_tickets = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->is_open = TRUE;
  self->is_admitting = TRUE;
  return self;
}

/* Who still waits never hears: tell them before, by BERTH_MESSAGE_SHUTDOWN. */
void
berth_admission_free (BerthAdmission *self)
{
  g_hash_table_unref (self->by_request);
  g_hash_table_unref (self->no_wait);
  g_array_unref (self->set_aside);
  berth_waiters_free (self->queue);
  berth_tenants_free (self->tenants);
  g_hash_table_unref (self->waiters);
  g_hash_table_unref (self->vms);
  g_ptr_array_unref (self->warm);
  g_array_unref (self->shutdown_tickets);
  g_free (self);
}

void
berth_admission_add_effect (BerthAdmission *self, BerthEffectType type, BerthVm *vm,
                            BerthStartMode mode)
{
  BerthEffect *effect = g_new0 (BerthEffect, 1);

  effect->type = type;
  effect->vm = g_object_ref (vm);
  effect->mode = mode;
  g_ptr_array_add (self->effects, effect);
}

void
berth_admission_complete (BerthAdmission *self, guint64 ticket, BerthVm *vm, GError *error_taken)
{
  BerthEffect *effect = g_new0 (BerthEffect, 1);

  effect->type = BERTH_EFFECT_COMPLETE;
  effect->ticket = ticket;
  effect->vm = vm != NULL ? g_object_ref (vm) : NULL;
  effect->error = error_taken;
  g_ptr_array_add (self->effects, effect);
}

void
berth_admission_finish_waiter (BerthAdmission *self, BerthAdmissionWaiter *waiter, BerthVm *vm,
                               GError *error_taken)
{
  if (waiter->base.is_queued)
    berth_waiters_remove (self->queue, &waiter->base);
  if (waiter->vm != NULL)
    waiter->vm->waiter = NULL;
  if (waiter->sleeper != NULL)
    g_queue_remove (&waiter->sleeper->wakes, waiter);
  if (g_hash_table_size (self->no_wait) > 0)
    g_hash_table_remove (self->no_wait, waiter);
  if (g_hash_table_lookup (self->by_request, waiter->base.request) == waiter)
    g_hash_table_remove (self->by_request, waiter->base.request);
  berth_admission_complete (self, waiter->base.ticket, vm, error_taken);
  g_hash_table_remove (self->waiters, &waiter->base.ticket);
}

GError *
berth_admission_new_shutting_down_error (void)
{
  return g_error_new (BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN,
                      "berth is shutting down and starts nothing more; ask again when it runs");
}

void
berth_admission_note_size (BerthAdmission *self, guint memory_mb, guint vcpus)
{
  gint64 least_mb = self->smallest.memory_mb;
  gint64 least_vcpus = self->smallest.vcpus;

  self->smallest.memory_mb = least_mb > 0 ? MIN (least_mb, memory_mb) : memory_mb;
  self->smallest.vcpus = least_vcpus > 0 ? MIN (least_vcpus, vcpus) : vcpus;
}

/* a request that a warm VM would have served */
static void
note_arrival (BerthAdmission *self, BerthRequest *request)
{
  for (guint i = 0; i < self->warm->len; i++)
    {
      BerthWarm *warm = self->warm->pdata[i];
      const BerthShape shape = berth_warm_get_shape (warm);

      if (berth_shape_equal (&shape, &request->shape) && berth_warm_is_for (warm, request))
        berth_warm_note_arrival (warm, self->now_us);
    }
}

BerthAdmissionWaiter *
berth_admission_add_waiter (BerthAdmission *self, const BerthMessage *message, gint64 cost)
{
  BerthAdmissionWaiter *waiter = g_new0 (BerthAdmissionWaiter, 1);
  gint64 wait_us = message->request->wait_us;

  waiter->base.ticket = message->ticket;
  waiter->base.request = berth_request_ref (message->request);
  waiter->base.arrived_us = self->now_us;
  waiter->base.deadline_us
      = wait_us > 0 && wait_us < G_MAXINT64 - self->now_us ? self->now_us + wait_us : G_MAXINT64;
  waiter->base.cost = cost;
  g_hash_table_insert (self->waiters, &waiter->base.ticket, waiter);
  g_hash_table_insert (self->by_request, waiter->base.request, waiter);
  return waiter;
}

static BerthAdmissionWaiter *
handle_acquire (BerthAdmission *self, const BerthMessage *message)
{
  BerthAdmissionWaiter *waiter = NULL;
  g_autoptr (GError) error = NULL;

  error = self->is_shutting_down ? berth_admission_new_shutting_down_error ()
                                 : berth_admission_new_size_error (self, message->request);
  if (error != NULL)
    {
      berth_admission_complete (self, message->ticket, NULL, g_steal_pointer (&error));
      return NULL;
    }

  berth_admission_note_size (self, message->request->shape.memory_mb,
                             message->request->shape.vcpus);
  note_arrival (self, message->request);
  waiter = berth_admission_add_waiter (
      self, message, berth_tenants_cost_of (&self->budgets.capacity, message->request));
  berth_waiters_push (self->queue, &waiter->base);
  if (message->request->wait_us == BERTH_REQUEST_NO_WAIT)
    g_hash_table_add (self->no_wait, waiter);
  return waiter;
}

static void
leave_early (BerthAdmission *self, BerthAdmissionWaiter *waiter, GError *error_taken)
{
  BerthAdmissionVm *av = waiter->vm;

  berth_admission_finish_waiter (self, waiter, NULL, error_taken);
  if (av != NULL)
    berth_admission_abandon_vm (self, av);
}

static void
handle_cancel (BerthAdmission *self, guint64 ticket)
{
  BerthAdmissionWaiter *waiter = g_hash_table_lookup (self->waiters, &ticket);

  if (waiter != NULL)
    leave_early (self, waiter,
                 g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the request was cancelled"));
}

/* A VM that is not here any more is gone already: that is what was asked for. */
static void
handle_destroy (BerthAdmission *self, const BerthMessage *message)
{
  BerthAdmissionVm *av = g_hash_table_lookup (self->vms, message->vm);

  if (av == NULL)
    {
      if (message->ticket != 0)
        berth_admission_complete (self, message->ticket, NULL, NULL);
      return;
    }

  if (message->ticket != 0)
    berth_admission_add_ticket (&av->destroy_tickets, message->ticket);
  if (av->waiter != NULL && berth_vm_get_state (av->vm) != BERTH_VM_STATE_STOPPING
      && berth_vm_get_state (av->vm) != BERTH_VM_STATE_STUCK)
    leave_early (self, av->waiter,
                 g_error_new (BERTH_ERROR, BERTH_ERROR_GONE,
                              "VM %s was destroyed while it was being started; ask for a new one",
                              berth_vm_get_id (av->vm)));
  else
    berth_admission_destroy_vm (self, av);
}

static void
handle_event (BerthAdmission *self, const BerthMessage *message)
{
  BerthAdmissionVm *av = g_hash_table_lookup (self->vms, message->vm);

  if (av != NULL)
    berth_admission_handle_event (self, av, message->event, message->error);
}

/* after what could ever be had was changed */
static void
refuse_too_big (BerthAdmission *self)
{
  BerthWaitersIter iter;
  BerthWaiter *waiter = NULL;
  g_autoptr (GPtrArray) refused = g_ptr_array_new ();

  berth_waiters_iter_init (&iter, self->queue);
  while ((waiter = berth_waiters_iter_next (&iter)) != NULL)
    {
      g_autoptr (GError) error = berth_admission_new_size_error (self, waiter->request);

      if (error != NULL)
        g_ptr_array_add (refused, waiter);
    }
  for (guint i = 0; i < refused->len; i++)
    {
      BerthAdmissionWaiter *big = refused->pdata[i];

      berth_admission_finish_waiter (self, big, NULL,
                                     berth_admission_new_size_error (self, big->base.request));
    }
}

gboolean
berth_admission_is_admitting (BerthAdmission *self)
{
  return self->is_open && self->is_admitting;
}

static void
handle_set_open (BerthAdmission *self, gboolean open)
{
  gboolean opens = open && !self->is_open;

  self->is_open = open;
  for (GList *link = self->order.head; opens && link != NULL; link = link->next)
    ((BerthAdmissionVm *)link->data)->retry_at_us = self->now_us;
}

static void
handle_shutdown (BerthAdmission *self, guint64 ticket)
{
  g_autoptr (GList) waiters = g_hash_table_get_values (self->waiters);

  self->is_shutting_down = TRUE;
  g_array_append_val (self->shutdown_tickets, ticket);
  for (GList *link = waiters; link != NULL; link = link->next)
    leave_early (self, link->data, berth_admission_new_shutting_down_error ());
  for (GList *link = self->order.head, *next = NULL; link != NULL; link = next)
    {
      next = link->next;
      berth_admission_destroy_vm (self, link->data);
    }
}

static void
finish_shutdown (BerthAdmission *self)
{
  guint stuck = self->in_state[BERTH_VM_STATE_STUCK];

  if (!self->is_shutting_down || self->order.length > stuck)
    return;
  for (guint i = 0; i < self->shutdown_tickets->len; i++)
    {
      guint64 ticket = g_array_index (self->shutdown_tickets, guint64, i);

      GError *error = NULL;

      if (stuck > 0)
        error = g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                             "%u %s could not be destroyed and still %s", stuck,
                             stuck == 1 ? "VM" : "VMs", stuck == 1 ? "exists" : "exist");
      berth_admission_complete (self, ticket, NULL, error);
    }
  g_array_set_size (self->shutdown_tickets, 0);
}

/* TRUE if anybody left: whom they kept from a place may get it now */
static gboolean
expire_waiters (BerthAdmission *self)
{
  gboolean any_left = FALSE;
  BerthWaiter *first = NULL;

  while ((first = berth_waiters_peek_deadline (self->queue)) != NULL
         && first->deadline_us <= self->now_us)
    {
      BerthAdmissionWaiter *waiter = (BerthAdmissionWaiter *)first;

      berth_admission_finish_waiter (
          self, waiter, NULL,
          berth_admission_new_capacity_error (self, waiter, BERTH_ERROR_WAIT_TIMED_OUT));
      any_left = TRUE;
    }
  return any_left;
}

/* those that don't wait, and for whom nothing is on its way */
static gboolean
refuse_no_wait (BerthAdmission *self)
{
  g_autoptr (GPtrArray) refused = NULL;
  GHashTableIter iter;
  gpointer key = NULL;

  if (g_hash_table_size (self->no_wait) == 0)
    return FALSE;
  refused = g_ptr_array_new ();
  g_hash_table_iter_init (&iter, self->no_wait);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (((BerthAdmissionWaiter *)key)->covered_in != self->pass)
      g_ptr_array_add (refused, key);
  for (guint i = 0; i < refused->len; i++)
    berth_admission_finish_waiter (
        self, refused->pdata[i], NULL,
        berth_admission_new_capacity_error (self, refused->pdata[i], BERTH_ERROR_NO_CAPACITY));
  return refused->len > 0;
}

/* Who fills the queue pays for that itself: beyond a user's part of it the newest goes of its
 * tenant that has most, and beyond all of it that of the user who has most. */
static BerthWaiter *
pick_excess (BerthAdmission *self, BerthWaiter *arrived)
{
  guint bound = self->budgets.capacity.max_waiters;
  const BerthUser *user = arrived->tenant->user;
  guint part = berth_admission_get_queue_part (self, user);

  if (bound == 0)
    return NULL;
  if (part < bound && user->party.n_waiting > part)
    return berth_waiters_peek_own_excess (arrived);
  if (berth_waiters_get_length (self->queue) > bound)
    return berth_waiters_peek_excess (self->queue, arrived);
  return NULL;
}

/* Likewise; @arrived is the one that the message brought, if it brought one. */
static gboolean
refuse_waiters (BerthAdmission *self, BerthAdmissionWaiter *arrived)
{
  BerthAdmissionWaiter *excess = NULL;

  if (refuse_no_wait (self))
    return TRUE;
  if (arrived == NULL || !arrived->base.is_queued || arrived->covered_in == self->pass)
    return FALSE;
  excess = (BerthAdmissionWaiter *)pick_excess (self, &arrived->base);
  if (excess == NULL)
    return FALSE;
  if (excess->covered_in == self->pass)
    excess = arrived;
  berth_admission_finish_waiter (
      self, excess, NULL,
      berth_admission_new_capacity_error (self, excess, BERTH_ERROR_QUEUE_FULL));
  return TRUE;
}

/* Serves, then sends away who can't stay and what is not wanted: both may make room for others. */
static void
settle (BerthAdmission *self, guint64 arrived_ticket)
{
  gboolean any_left = FALSE;

  berth_admission_retry_stuck (self);
  do
    {
      berth_admission_dispatch (self);
      any_left = refuse_waiters (
          self, arrived_ticket != 0 ? g_hash_table_lookup (self->waiters, &arrived_ticket) : NULL);
      any_left |= expire_waiters (self);
      any_left |= berth_admission_trim_warm (self);
    }
  while (any_left);
  berth_admission_refill_warm (self);
  finish_shutdown (self);
}

void
berth_admission_handle (BerthAdmission *self, const BerthMessage *message, gint64 now_us,
                        GPtrArray *effects)
{
  guint64 arrived_ticket = 0;

  g_assert (self->effects == NULL);

  self->effects = effects;
  self->now_us = MAX (self->now_us, now_us);
  self->handled_us = self->now_us;
  berth_tenants_set_now (self->tenants, self->now_us);
  switch (message->type)
    {
    case BERTH_MESSAGE_TICK:
      break;
    case BERTH_MESSAGE_ACQUIRE:
      if (handle_acquire (self, message) != NULL)
        arrived_ticket = message->ticket;
      break;
    case BERTH_MESSAGE_CANCEL:
      handle_cancel (self, message->ticket);
      break;
    case BERTH_MESSAGE_DESTROY:
      handle_destroy (self, message);
      break;
    case BERTH_MESSAGE_PAUSE:
      berth_admission_handle_pause (self, message);
      break;
    case BERTH_MESSAGE_WAKE:
      if (berth_admission_handle_wake (self, message) != NULL)
        arrived_ticket = message->ticket;
      break;
    case BERTH_MESSAGE_EVENT:
      handle_event (self, message);
      break;
    case BERTH_MESSAGE_RESIZE:
      self->budgets.capacity = *message->capacity;
      berth_tenants_set_capacity (self->tenants, message->capacity);
      refuse_too_big (self);
      break;
    case BERTH_MESSAGE_SET_TENANTS:
      berth_tenants_set_policy (self->tenants, message->policy);
      refuse_too_big (self);
      break;
    case BERTH_MESSAGE_ADOPT:
      berth_admission_adopt (self, message->vm, message->request, message->flag);
      break;
    case BERTH_MESSAGE_SET_OPEN:
      handle_set_open (self, message->flag);
      break;
    case BERTH_MESSAGE_SET_ADMITTING:
      self->is_admitting = message->flag;
      break;
    case BERTH_MESSAGE_SHUTDOWN:
      handle_shutdown (self, message->ticket);
      break;
    case BERTH_MESSAGE_SET_WARM:
    case BERTH_MESSAGE_DRAIN:
    case BERTH_MESSAGE_FILL:
    case BERTH_MESSAGE_TEMPLATE_CHANGED:
    case BERTH_MESSAGE_SET_PRESSURE:
      berth_admission_handle_warm (self, message);
      break;
    }
  settle (self, arrived_ticket);
  self->effects = NULL;
}

gint64
berth_admission_next_wakeup_us (BerthAdmission *self)
{
  BerthWaiter *first = berth_waiters_peek_deadline (self->queue);
  gint64 wakeup_us = first != NULL ? first->deadline_us : G_MAXINT64;

  if (self->is_open && self->in_state[BERTH_VM_STATE_STUCK] > 0)
    for (GList *link = self->order.head; link != NULL; link = link->next)
      {
        BerthAdmissionVm *av = link->data;

        if (berth_vm_get_state (av->vm) == BERTH_VM_STATE_STUCK)
          wakeup_us = MIN (wakeup_us, av->retry_at_us);
      }
  return MIN (wakeup_us, berth_admission_next_warm_wakeup_us (self));
}

GPtrArray *
berth_admission_dup_vms (BerthAdmission *self)
{
  GPtrArray *vms = g_ptr_array_new_full (self->order.length, g_object_unref);

  for (GList *link = self->order.head; link != NULL; link = link->next)
    g_ptr_array_add (vms, g_object_ref (((BerthAdmissionVm *)link->data)->vm));
  return vms;
}
