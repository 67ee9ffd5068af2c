from django.db import migrations, models

import people.plain_text


class Migration(migrations.Migration):
    dependencies = [("people", "0003_access_tokens")]

    operations = [
        migrations.AlterField(
            model_name="project",
            name="name",
            field=models.CharField(max_length=120, validators=[people.plain_text.printable]),
        ),
    ]
