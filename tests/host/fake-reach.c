/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/host/fake-reach.h"

#include "tests/host/fake-link.h"

static void
fake_allow (BerthHost *host, BerthVm *vm, const char *const *names, const BerthHostReach *reach,
            gpointer user_data, GDestroyNotify destroy, GTask *task)
{
  g_autoptr (GTask) owned = task;

  if (destroy != NULL)
    destroy (user_data);
  g_task_return_boolean (task, TRUE);
}

static void
fake_accept (BerthHost *host, BerthHostLink *link, int fd, GTask *task)
{
  g_assert_not_reached ();
}

static void
fake_refuse (BerthHost *host, BerthHostLink *link, BerthLinkReason reason)
{
  g_assert_not_reached ();
}

void
fake_reach_init (BerthHostInterface *iface)
{
  iface->link = fake_link;
  iface->allow = fake_allow;
  iface->accept = fake_accept;
  iface->refuse = fake_refuse;
}
