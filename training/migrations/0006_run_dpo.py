from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0005_run_going_on"),
    ]

    operations = [
        migrations.AlterField(
            model_name="run",
            name="kind",
            field=models.CharField(
                choices=[
                    ("sft", "SFT"),
                    ("reward", "Reward model"),
                    ("dpo", "DPO"),
                    ("ppo", "PPO"),
                    ("sample", "Sample"),
                ],
                max_length=10,
            ),
        ),
    ]
