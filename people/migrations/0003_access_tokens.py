import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import people.models

# Tokens that the former table of django-rest-knox holds go on opening what they opened.
MOVE = """
DO $$
BEGIN
  IF to_regclass('knox_authtoken') IS NOT NULL THEN
    INSERT INTO people_accesstoken (digest, token_key, created, expiry, user_id, handle, name, scopes)
      SELECT digest, token_key, created, expiry, user_id, gen_random_uuid(), '',
             '["read", "label", "review", "manage", "train"]'::jsonb
      FROM knox_authtoken;
    DROP TABLE knox_authtoken;
  END IF;
END $$
"""


class Migration(migrations.Migration):

    dependencies = [
        ('people', '0002_workplace'),
        ('knox', '0009_extend_authtoken_field'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccessToken',
            fields=[
                ('digest', models.CharField(max_length=128, primary_key=True, serialize=False)),
                ('token_key', models.CharField(db_index=True, max_length=25)),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('expiry', models.DateTimeField(blank=True, null=True)),
                ('handle', models.UUIDField(default=uuid.uuid4, editable=False, help_text='Names the token without telling it.', unique=True)),
                ('name', models.CharField(blank=True, help_text='What it is for, as its owner calls it.', max_length=80)),
                ('scopes', models.JSONField(default=people.models.every_scope)),
                ('used_on', models.DateField(blank=True, help_text='The last day on which it opened something.', null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created'],
            },
        ),
        migrations.RunSQL(MOVE, migrations.RunSQL.noop),
    ]
