/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What 'berth template build' decides without a VM: steps, inputs, the new template, names of
 * files. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin/build/berth-build-fetch.h"
#include "plugin/build/berth-build-inputs.h"
#include "plugin/build/berth-build-store.h"
#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"

#define SCRIPT "script"

typedef struct
{
  char *folder;
  char *schema;
} Fixture;

static void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("berth-build-XXXXXX", NULL);
  fixture->schema = g_build_filename (data, "berth.rng", NULL);
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_all (child);
    }
  g_remove (path);
}

static void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
  remove_all (fixture->folder);
  g_free (fixture->folder);
  g_free (fixture->schema);
}

static char *
put (Fixture *fixture, const char *name, const char *text)
{
  char *path = g_build_filename (fixture->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static BerthBuildSpec *
read_spec (Fixture *fixture, const char *text)
{
  g_autoptr (BerthBuildSpec) spec = berth_build_spec_new ();
  g_autoptr (GError) error = NULL;

  g_free (spec->folder);
  spec->folder = g_strdup (fixture->folder);
  berth_build_spec_take_text (spec, text, "Berthfile", &error);
  g_assert_no_error (error);
  spec->name = g_strdup ("mine");
  return g_steal_pointer (&spec);
}

static void
test_steps (Fixture *fixture, gconstpointer data)
{
  g_autofree char *wheel = put (fixture, "a.whl", "wheel");
  g_autofree char *script = put (fixture, "setup.sh", "one\ntwo\n");
  g_autoptr (BerthBuildSpec) spec
      = read_spec (fixture, "from javascript\n  # nothing\n\npip idna\npip a.whl\nuser nobody\n"
                            "pip six\nrun  true && x\nenv A=b=c\nenv A=d\nrun @setup.sh\n"
                            "copy a.whl:/y\nmemory 512\n");
  const BerthBuildStep *step;
  g_autofree char *tail = g_strdup_printf ("copy %s:/y\nmemory 512\n", wheel);

  g_assert_cmpstr (spec->from, ==, "javascript");
  g_assert_cmpuint (spec->memory_mb, ==, 512);
  g_assert_cmpuint (spec->steps->len, ==, 5);
  step = spec->steps->pdata[0];
  g_assert_cmpint (step->kind, ==, BERTH_BUILD_PIP);
  g_assert_cmpstr (step->user, ==, "root");
  g_assert_cmpstr (step->values->pdata[0], ==, "idna");
  g_assert_cmpstr (step->files->pdata[0], ==, wheel);
  step = spec->steps->pdata[2];
  g_assert_cmpstr (step->values->pdata[0], ==, "true && x");
  g_assert_cmpstr (step->user, ==, "nobody");
  g_assert_null (step->env[0]);
  step = spec->steps->pdata[3];
  g_assert_cmpstr (step->values->pdata[0], ==, "one\ntwo\n");
  g_assert_cmpstr (step->env[0], ==, "A=d");
  g_assert_nonnull (strstr (spec->text->str, wheel));
  g_assert_true (g_str_has_suffix (spec->text->str, tail));
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  static const char *const lines[] = {
    "pop x",
    "pip",
    "pip -r x",
    "pip a b",
    "pip ./none.whl",
    "npm none.tgz",
    "copy x",
    "copy none:/opt/x",
    "copy .:opt",
    "copy .:/opt/../home",
    "copy .:/home/user/x",
    "copy .://tmp",
    "run @none",
    "env A",
    "env 9=x",
    "env A=\x01",
    "user a b",
    "user -x",
    "from Python",
    "memory 127",
    "memory much",
    "oci app.tar",
    "oci docker-archive:app.tar",
    "oci docker://",
    "language perl",
    "pip \xff",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr (BerthBuildSpec) spec = berth_build_spec_new ();
      g_autofree char *text = g_strdup_printf ("from python\n%s\n", lines[i]);
      g_autoptr (GError) error = NULL;

      g_free (spec->folder);
      spec->folder = g_strdup (fixture->folder);
      g_assert_false (berth_build_spec_take_text (spec, text, "Berthfile", &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
      g_assert_true (g_str_has_prefix (error->message, "Berthfile:2: "));
    }
}

static char *
dup_inputs (Fixture *fixture, const char *text, const char *layer)
{
  g_autoptr (BerthBuildSpec) spec = read_spec (fixture, text);
  char *layers[] = { (char *)"base-1", (char *)layer, NULL };
  const BerthBuildBase base = { .layers = layers, .builder = (char *)"builder-1" };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthBuildInputs) inputs
      = berth_build_inputs_new (spec, &base, SCRIPT, "image", &error);

  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (inputs->layer, "built-"));
  return g_strdup (inputs->sha256);
}

static void
assert_inputs (Fixture *fixture, const char *text, const char *layer, gboolean is_same)
{
  g_autofree char *first = dup_inputs (fixture, "pip idna\ncopy data:/opt\n", "python-1");
  g_autofree char *other = dup_inputs (fixture, text, layer);

  g_assert_cmpint (g_str_equal (first, other), ==, is_same);
}

static void
test_inputs (Fixture *fixture, gconstpointer data)
{
  g_autofree char *folder = g_build_filename (fixture->folder, "data", NULL);
  g_autofree char *file = NULL;
  g_autofree char *first = NULL;
  g_autofree char *touched = NULL;
  g_autofree char *changed = NULL;
  g_autofree char *undone = NULL;

  g_assert_cmpint (g_mkdir (folder, 0755), ==, 0);
  file = put (fixture, "data/file", "one");
  assert_inputs (fixture, "# the same\npip   idna\ncopy data:/opt\nmemory 512\n", "python-1", TRUE);
  assert_inputs (fixture, "pip idna\ncopy data:/opt\n", "python-2", FALSE);
  assert_inputs (fixture, "copy data:/opt\npip idna\n", "python-1", FALSE);
  assert_inputs (fixture, "pip idna\ncopy data:/opt2\n", "python-1", FALSE);
  assert_inputs (fixture, "env A=b\npip idna\ncopy data:/opt\n", "python-1", FALSE);
  assert_inputs (fixture, "user nobody\npip idna\ncopy data:/opt\n", "python-1", FALSE);

  first = dup_inputs (fixture, "copy data:/opt\n", "python-1");
  g_free (put (fixture, "data/file", "one")); /* at another time */
  touched = dup_inputs (fixture, "copy data:/opt\n", "python-1");
  g_free (put (fixture, "data/file", "two"));
  changed = dup_inputs (fixture, "copy data:/opt\n", "python-1");
  g_free (put (fixture, "data/file", "one"));
  g_chmod (file, 0755);
  undone = dup_inputs (fixture, "copy data:/opt\n", "python-1");
  g_assert_cmpstr (first, ==, touched);
  g_assert_cmpstr (first, !=, changed);
  g_assert_cmpstr (first, !=, undone);
}

static void
test_template (Fixture *fixture, gconstpointer data)
{
  char *layers[] = { (char *)"base-1", (char *)"python-1", NULL };
  g_autofree char *base_path = g_build_filename (data, "python.xml", NULL);
  BerthBuildBase base = { .path = base_path, .language = (char *)"python", .layers = layers };
  g_autoptr (BerthBuildSpec) spec = read_spec (fixture, "env GREETING=<hi> & 'you'\nmemory 512\n");
  g_autofree char *path = g_build_filename (fixture->folder, "mine.xml", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *xml = berth_build_base_dup_template (&base, spec, NULL, "built-0123456789abcdef",
                                                        path, fixture->schema, &error);
  g_autoptr (BerthTemplate) template = NULL;

  g_assert_no_error (error);
  g_assert_null (strstr (xml, "The template python"));
  g_assert_true (berth_build_store_write (fixture->folder, "mine.xml", xml, &error));
  template = berth_template_load (path, fixture->schema, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_template_get_name (template), ==, "mine");
  g_assert_cmpstr (berth_template_get_language (template), ==, "python");
  g_assert_cmpuint (berth_template_get_memory_mb (template), ==, 512);
  g_assert_cmpuint (g_strv_length ((GStrv)berth_template_get_layers (template)), ==, 3);
  g_assert_cmpstr (berth_template_get_layers (template)[2], ==, "built-0123456789abcdef");
  g_assert_cmpstr (berth_template_get_env (template)[0], ==, "GREETING=<hi> & 'you'");
}

/* What an image is is its bytes, wherever they are, and which of its images is meant. */
static void
test_image_inputs (Fixture *fixture, gconstpointer data)
{
  g_autofree char *archive = put (fixture, "app.tar", "bytes");
  g_autofree char *copy = put (fixture, "copy:2.tar", "bytes");
  g_autofree char *other = put (fixture, "other.tar", "others");
  g_autofree char *first = dup_inputs (fixture, "oci oci-archive:app.tar\n", "x");
  g_autofree char *same = dup_inputs (fixture, "oci oci-archive:copy:2.tar\n", "x");
  g_autofree char *named = dup_inputs (fixture, "oci oci-archive:copy:2.tar:name\n", "x");
  g_autofree char *different = dup_inputs (fixture, "oci oci-archive:other.tar\n", "x");

  g_assert_cmpstr (first, ==, same);
  g_assert_cmpstr (first, !=, named);
  g_assert_cmpstr (first, !=, different);
}

/* What is sent is what was hashed, whatever becomes of the file. */
static void
test_image_changes (Fixture *fixture, gconstpointer data)
{
  g_autofree char *archive = put (fixture, "app.tar", "before");
  g_autoptr (BerthBuildSpec) spec = read_spec (fixture, "oci oci-archive:app.tar\n");
  g_autofree char *reference = NULL;
  char text[16] = "";
  int fd = berth_build_fetch (spec, &reference, NULL);
  int file = open (archive, O_WRONLY);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (file, "behind", 6), ==, 6);
  g_assert_cmpint (pread (fd, text, sizeof text - 1, 0), ==, 6);
  g_assert_cmpstr (text, ==, "before");
  close (file);
  close (fd);
}

static void
test_places (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *text, *place, *reference;
  } rows[] = {
    { "a.tar", "a.tar", "" },
    { "a.tar:one", "a.tar", "one" },
    { "a.tar:docker.io/a//b:1.0", "a.tar", "docker.io/a//b:1.0" },
    { "a.tar:sha256:00", "a.tar", "sha256:00" },
    { "b:2.tar", "b:2.tar", "" },
    { "b:2.tar:x:y", "b:2.tar", "x:y" },
  };
  g_autofree char *a = put (fixture, "a.tar", "");
  g_autofree char *b = put (fixture, "b:2.tar", "");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *reference = NULL;
      g_autofree char *place
          = berth_build_spec_split_place (rows[i].text, fixture->folder, &reference);
      g_autofree char *expected = g_build_filename (fixture->folder, rows[i].place, NULL);

      g_assert_cmpstr (place, ==, expected);
      g_assert_cmpstr (reference, ==, rows[i].reference);
    }
}

static void
test_image (Fixture *fixture, gconstpointer data)
{
  static const char text[]
      = "has python 3.12.1\nlacks shell /bin/bash is 4.4%1b, the lowest is 5.2\n"
        "language python\nuser 65532:0\nworkdir /a%0ab\nentry /bin/x\nentry \n"
        "entry %25 %0a\nenv PATH=/bin\nenv A=image\nnew word\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthBuildImage) image = berth_build_image_parse (text, &error);
  g_autoptr (GError) problem = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (image->language, ==, "python");
  g_assert_cmpstr (image->user, ==, "65532:0");
  g_assert_cmpstr (image->workdir, ==, "/a\nb");
  g_assert_cmpuint (g_strv_length (image->entry), ==, 3);
  g_assert_cmpstr (image->entry[2], ==, "% \n");
  g_assert_true (berth_build_image_check_language (image, "python", NULL));
  g_assert_false (berth_build_image_check_language (image, "ruby", NULL));
  g_assert_false (berth_build_image_check_language (image, "shell", &problem));
  g_assert_nonnull (strstr (problem->message, "can't run shell: /bin/bash is 4.4"));
  g_assert_null (strchr (problem->message, '\x1b'));
}

static void
test_image_refused (Fixture *fixture, gconstpointer data)
{
  static const char *const texts[] = { "",
                                       "language perl",
                                       "language python\nuser 0:0",
                                       "language python\nuser x",
                                       "language python\nentry %0",
                                       "language python\nentry %00",
                                       "language python\nenv %ff",
                                       "language python\nword" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (berth_build_image_parse (texts[i], &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
    }
}

/* (transfer full): shell, with a variable of its own */
static char *
put_base (Fixture *fixture, const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "shell.xml", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) halves = NULL;
  g_autofree char *whole = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  halves = g_strsplit (text, "</berth:template>", 2);
  whole = g_strjoin ("<berth:env name='B' value='old'/></berth:template>", halves[0], halves[1],
                     NULL);
  return put (fixture, "base.xml", whole);
}

static void
test_image_template (Fixture *fixture, gconstpointer data)
{
  char *layers[] = { NULL };
  g_autofree char *base_path = put_base (fixture, data);
  BerthBuildBase base = { .path = base_path, .language = (char *)"shell", .layers = layers };
  g_autoptr (BerthBuildSpec) spec = read_spec (fixture, "env A=mine\n");
  g_autofree char *path = g_build_filename (fixture->folder, "mine.xml", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthBuildImage) image = berth_build_image_parse (
      "language none\nuser 7:8\nworkdir /w\nentry x\nentry y%0a\nenv A=b\nenv B=c", &error);
  g_autofree char *xml = berth_build_base_dup_template (
      &base, spec, image, "built-0123456789abcdef", path, fixture->schema, &error);
  g_autoptr (BerthTemplate) template = NULL;

  g_assert_no_error (error);
  template = berth_template_load_data (xml, strlen (xml), path, fixture->schema, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (berth_template_get_language (template), ==, "none");
  g_assert_cmpuint (g_strv_length ((GStrv)berth_template_get_layers (template)), ==, 1);
  g_assert_cmpstr (berth_template_get_env (template)[0], ==, "B=c");
  g_assert_cmpstr (berth_template_get_env (template)[1], ==, "A=mine");
  g_assert_null (berth_template_get_env (template)[2]);
  g_assert_cmpstr (berth_template_get_entry (template)[1], ==, "y\n");
  g_assert_cmpstr (berth_template_get_workdir (template), ==, "/w");
}

static guint
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static int
open_image (Fixture *fixture, goffset magic_at, goffset size)
{
  static const guint8 magic[] = { 0xe2, 0xe1, 0xf5, 0xe0 };
  int fd = berth_build_store_open (fixture->folder, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, size), ==, 0);
  g_assert_cmpint (pwrite (fd, magic, sizeof magic, magic_at), ==, sizeof magic);
  return fd;
}

/* A file has no name before it is whole, and takes the place of an older one at once. */
static void
test_names (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "x", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  int fd = berth_build_store_open (fixture->folder, &error);

  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
  close (fd);
  g_assert_true (berth_build_store_write (fixture->folder, "x", "one", &error));
  g_free (put (fixture, ".x.part", "of one that was killed"));
  g_assert_true (berth_build_store_write (fixture->folder, "x", "two", &error));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "two");
  g_assert_cmpuint (count_files (fixture->folder), ==, 1);
  g_assert_cmpint (berth_build_store_open ("/proc/none", &error), ==, -1);
  g_assert_nonnull (error);
}

/* What is built again has another name: the older one may be a VM's. */
static void
test_layer_names (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *file; /* NULL: no more than before */
    gboolean is_new;
    const char *name;
  } rows[] = {
    { NULL, FALSE, "built-1" },
    { NULL, TRUE, "built-1" },
    { "built/built-1.erofs", FALSE, "built-1" },
    { NULL, TRUE, "built-1-2" },
    { "built/built-1-2.erofs", FALSE, "built-1-2" },
    { "built/built-1-10.erofs", TRUE, "built-1-11" },
    { "built/built-1-99999999999.json", TRUE, "built-1-11" },
    { "built/built-12.erofs", FALSE, "built-1-10" },
  };
  g_autofree char *folder = g_build_filename (fixture->folder, "built", NULL);

  g_assert_cmpint (g_mkdir (folder, 0755), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *name = NULL;

      if (rows[i].file != NULL)
        g_free (put (fixture, rows[i].file, ""));
      name = berth_build_store_dup_name (fixture->folder, "built-1", rows[i].is_new);
      g_assert_cmpstr (name, ==, rows[i].name);
    }
}

static void
test_check (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    goffset magic_at, size;
    guint64 max;
    gboolean is_good;
  } rows[] = {
    { 1024, 4096, 4096, TRUE },  { 1024, 8192, 1 << 20, TRUE }, { 1024, 8192, 4096, FALSE },
    { 1025, 4096, 4096, FALSE }, { 1024, 5000, 8192, FALSE },   { 0, 4, 8192, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      int fd = open_image (fixture, rows[i].magic_at, rows[i].size);
      g_autofree char *sha256 = NULL;
      g_autoptr (GError) error = NULL;
      guint64 size = 0;

      g_assert_cmpint (berth_build_store_check (fd, rows[i].max, &size, &sha256, &error), ==,
                       rows[i].is_good);
      g_assert_cmpint (error == NULL, ==, rows[i].is_good);
      if (rows[i].is_good)
        {
          g_assert_cmpuint (size, ==, (guint64)rows[i].size);
          g_assert_cmpuint (strlen (sha256), ==, 64);
        }
      close (fd);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
#define ADD(name, func)                                                                            \
  g_test_add ("/build/" name, Fixture, argv[1], fixture_set_up, func, fixture_tear_down)
  ADD ("steps", test_steps);
  ADD ("refused", test_refused);
  ADD ("inputs", test_inputs);
  ADD ("template", test_template);
  ADD ("image-inputs", test_image_inputs);
  ADD ("image-changes", test_image_changes);
  ADD ("places", test_places);
  ADD ("image", test_image);
  ADD ("image-refused", test_image_refused);
  ADD ("image-template", test_image_template);
  ADD ("names", test_names);
  ADD ("layer-names", test_layer_names);
  ADD ("check", test_check);
  return g_test_run ();
}
