/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides whose name is looked up next: each look-up has a thread of ours, for the pool of GLib's
 * resolver is one for all, and who asks for names that hang has it for himself. */
#include "plugin/connector/berth-connector-names.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "pool/berth-sync.h"

#define STACK_SIZE (512u * 1024u)

struct _BerthConnectorNames
{
  GQueue waiting;     /* LookUp (owned), in the order they came */
  GPtrArray *running; /* LookUp (owned by its thread, then by ended_cb()) */
};

typedef struct
{
  BerthConnectorNames *names;
  BerthConnectorAsker asker;
  char *name;
  GTask *task;    /* (nullable): who waits */
  GSource *leave; /* (nullable): when nobody does */
  int problem;    /* of getaddrinfo() */
  GList *addresses;
} LookUp;

static void
free_addresses (gpointer data)
{
  g_list_free_full (data, g_object_unref);
}

static void
look_up_free (LookUp *self)
{
  g_free (self->name);
  free_addresses (self->addresses);
  g_free (self);
}

/* ---- who waits ---- */

/* (transfer full) (nullable) */
static GTask *
look_up_steal_task (LookUp *self)
{
  if (self->leave != NULL)
    {
      g_source_destroy (self->leave);
      g_clear_pointer (&self->leave, g_source_unref);
    }
  return g_steal_pointer (&self->task);
}

static void
look_up_tell (LookUp *self)
{
  static const int none[] = { EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY };
  g_autoptr (GTask) task = look_up_steal_task (self);
  int code = G_RESOLVER_ERROR_TEMPORARY_FAILURE;

  if (task == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (none); i++)
    if (self->problem == none[i])
      code = G_RESOLVER_ERROR_NOT_FOUND;
  if (self->addresses != NULL)
    g_task_return_pointer (task, g_steal_pointer (&self->addresses), free_addresses);
  else
    g_task_return_new_error (task, G_RESOLVER_ERROR, code, "'%s': %s", self->name,
                             gai_strerror (self->problem != 0 ? self->problem : EAI_NODATA));
}

static gboolean
left_cb (GCancellable *cancellable, gpointer user_data)
{
  LookUp *self = user_data;
  g_autoptr (GTask) task = look_up_steal_task (self);

  if (g_queue_remove (&self->names->waiting, self))
    look_up_free (self);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "nobody waits for it");
  return G_SOURCE_REMOVE;
}

/* ---- threads ---- */

static void names_go_on (BerthConnectorNames *self);

static gboolean
ended_cb (gpointer user_data)
{
  LookUp *self = user_data;
  BerthConnectorNames *names = self->names;

  BERTH_SYNC_ACQUIRE (self);
  g_ptr_array_remove_fast (names->running, self);
  look_up_tell (self);
  look_up_free (self);
  names_go_on (names);
  return G_SOURCE_REMOVE;
}

/* (transfer full) (nullable) */
static GInetAddress *
make_address (const struct addrinfo *info)
{
  g_autoptr (GSocketAddress) address
      = g_socket_address_new_from_native (info->ai_addr, info->ai_addrlen);

  return G_IS_INET_SOCKET_ADDRESS (address)
             ? g_object_ref (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)))
             : NULL;
}

static void *
look_up_run (void *data)
{
  LookUp *self = data;
  const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
  struct addrinfo *all = NULL;

  self->problem = getaddrinfo (self->name, NULL, &hints, &all);
  for (struct addrinfo *at = all; at != NULL; at = at->ai_next)
    {
      GInetAddress *address = make_address (at);

      if (address != NULL)
        self->addresses = g_list_prepend (self->addresses, address);
    }
  self->addresses = g_list_reverse (self->addresses);
  if (all != NULL)
    freeaddrinfo (all);
  BERTH_SYNC_RELEASE (self);
  g_idle_add_full (G_PRIORITY_DEFAULT, ended_cb, self, NULL);
  return NULL;
}

static void
look_up_start (LookUp *self)
{
  pthread_attr_t attributes;
  pthread_t thread;
  int problem = pthread_attr_init (&attributes);

  g_ptr_array_add (self->names->running, self);
  if (problem == 0)
    {
      pthread_attr_setstacksize (&attributes, STACK_SIZE);
      pthread_attr_setdetachstate (&attributes, PTHREAD_CREATE_DETACHED);
      problem = pthread_create (&thread, &attributes, look_up_run, self);
      pthread_attr_destroy (&attributes);
    }
  if (problem == 0)
    return;
  self->problem = EAI_MEMORY;
  g_idle_add_full (G_PRIORITY_DEFAULT, ended_cb, self, NULL);
}

/* ---- the queue ---- */

static void
names_count (const BerthConnectorNames *self, const BerthConnectorAsker *asker, guint *out_of_user,
             guint *out_of_sandbox)
{
  *out_of_user = *out_of_sandbox = 0;
  for (guint i = 0; i < self->running->len; i++)
    {
      const LookUp *other = self->running->pdata[i];

      *out_of_user += other->asker.uid == asker->uid;
      *out_of_sandbox += other->asker.sandbox == asker->sandbox;
    }
}

/* (nullable): of those that may, one of the user who has fewest, of the sandbox that has fewest; of
 * these the first. A user may have no more than are left: so however many users keep theirs, the
 * next one finds some. */
static GList *
names_pick (BerthConnectorNames *self)
{
  guint left = BERTH_CONNECTOR_NAMES_MAX - self->running->len;
  GList *best = NULL;
  guint best_rank = G_MAXUINT;

  for (GList *link = self->waiting.head; link != NULL; link = link->next)
    {
      guint of_user;
      guint of_sandbox;
      guint rank;

      names_count (self, &((const LookUp *)link->data)->asker, &of_user, &of_sandbox);
      rank = of_user * BERTH_CONNECTOR_NAMES_MAX + of_sandbox;
      if (of_user >= MIN (BERTH_CONNECTOR_NAMES_OF_USER, left)
          || of_sandbox >= BERTH_CONNECTOR_NAMES_OF_SANDBOX || rank >= best_rank)
        continue;
      best = link;
      best_rank = rank;
    }
  return best;
}

static void
names_go_on (BerthConnectorNames *self)
{
  for (GList *link = names_pick (self); link != NULL; link = names_pick (self))
    {
      LookUp *look_up = link->data;

      g_queue_delete_link (&self->waiting, link);
      look_up_start (look_up);
    }
}

static void
names_add (BerthConnectorNames *self, const char *name, const BerthConnectorAsker *asker,
           GTask *task)
{
  LookUp *look_up = g_new0 (LookUp, 1);

  look_up->names = self;
  look_up->asker = *asker;
  look_up->name = g_strdup (name);
  look_up->leave = g_cancellable_source_new (g_task_get_cancellable (task));
  g_source_set_callback (look_up->leave, G_SOURCE_FUNC (left_cb), look_up, NULL);
  g_source_attach (look_up->leave, NULL);
  look_up->task = task;
  g_queue_push_tail (&self->waiting, look_up);
  names_go_on (self);
}

void
berth_connector_names_look_up_async (BerthConnectorNames *self, const char *name,
                                     const BerthConnectorAsker *asker, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  GInetAddress *literal = g_inet_address_new_from_string (name);

  g_task_set_source_tag (task, berth_connector_names_look_up_async);
  g_task_set_check_cancellable (task, FALSE);
  if (literal != NULL)
    g_task_return_pointer (task, g_list_append (NULL, literal), free_addresses);
  else
    names_add (self, name, asker, g_steal_pointer (&task));
}

GList *
berth_connector_names_look_up_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

BerthConnectorNames *
berth_connector_names_new (void)
{
  BerthConnectorNames *self = g_new0 (BerthConnectorNames, 1);

  g_queue_init (&self->waiting);
  self->running = g_ptr_array_new ();
  return self;
}
