import django.core.validators
import labeling.models.setup
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0009_prompts_at_size'),
    ]

    operations = [
        migrations.AddField(
            model_name='projectsetup',
            name='kinds',
            field=models.JSONField(default=labeling.models.setup.every_kind, help_text='Kinds of task that are handed out. Those of other kinds wait.'),
        ),
        migrations.AlterField(
            model_name='projectsetup',
            name='daily_cap',
            field=models.PositiveIntegerField(blank=True, help_text='Labels a day by one person; empty: any.', null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AlterField(
            model_name='projectsetup',
            name='edit_window_hours',
            field=models.PositiveSmallIntegerField(default=24, help_text='How long a labeler may correct an own label; the first one is kept. 0: never.', validators=[django.core.validators.MaxValueValidator(8760)]),
        ),
    ]
