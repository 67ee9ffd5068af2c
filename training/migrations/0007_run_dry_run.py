from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0006_run_dpo'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='dry_run',
            field=models.BooleanField(default=False, help_text='Takes its first steps, says what the whole will cost.'),
        ),
    ]
