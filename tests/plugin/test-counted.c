/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains that are counted and left alone: what is asked of libvirt when a domain of the host
 * stops. No libvirt is there; a GTask that is made is returned, which GLib itself checks only
 * since 2.76. */
#include "plugin/libvirt/berth-libvirt-private.h"

#include <dlfcn.h>

typedef gpointer NewFunc (gpointer, GCancellable *, GAsyncReadyCallback, gpointer);

static guint *
get_dropped (void)
{
  static guint dropped; /* lint: static: one count to a test program */

  return &dropped;
}

static void
disposed_cb (gpointer data, GObject *task)
{
  if (!g_task_get_completed (G_TASK (task)))
    ++*get_dropped ();
}

/* In the place of GIO's, for all of berth's code in this program. */
#undef g_task_new
GTask *
g_task_new (gpointer source, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  NewFunc *real = (NewFunc *)dlsym (RTLD_NEXT, "g_task_new");
  GTask *task = real (source, cancellable, callback, user_data);

  g_object_weak_ref (G_OBJECT (task), disposed_cb, NULL);
  return task;
}

static void
test_others_stop (void)
{
  g_autoptr (BerthLibvirt) libvirt
      = berth_libvirt_new ("test:///default", NULL, "test", "berth", "/nonexistent");

  berth_libvirt_look_at_counted (libvirt, "6695eb01-f6a4-8304-79aa-97f2502e193f");
  berth_libvirt_look_at_counted (libvirt, NULL);
  g_assert_cmpuint (*get_dropped (), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/counted/others-stop", test_others_stop);
  return g_test_run ();
}
