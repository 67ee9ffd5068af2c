from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0004_run_request"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="attempt",
            field=models.PositiveIntegerField(default=0, help_text="How often workers took it; the last one owns it."),
        ),
        migrations.AddField(
            model_name="run",
            name="restarts",
            field=models.PositiveIntegerField(
                default=0, help_text="How often it was queued again by itself since it last saved its state."
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="saved_step",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Step of the newest saved state, on the node, from which it can go on.",
                null=True,
            ),
        ),
    ]
