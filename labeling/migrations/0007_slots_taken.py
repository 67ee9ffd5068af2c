"""What was given away of each task, counted from what was open; a task keeps an overlap of its own where it had one."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('labeling', '0006_my_work'),
    ]

    operations = [
        migrations.RunSQL(
            sql="""
                UPDATE labeling_task task
                SET taken = greatest(task.overlap - task.open_slots, 0),
                    wanted = nullif(task.overlap, coalesce(
                        (SELECT setup.overlap FROM labeling_projectsetup setup
                         WHERE setup.project_id = task.project_id), 1))
            """,
            reverse_sql="""
                UPDATE labeling_task task
                SET overlap = slots.wanted, open_slots = greatest(slots.wanted - task.taken, 0)
                FROM (
                    SELECT task.id, coalesce(task.wanted, CASE WHEN task.is_shared THEN setup.overlap END, 1) AS wanted
                    FROM labeling_task task
                    LEFT JOIN labeling_projectsetup setup ON setup.project_id = task.project_id
                ) slots
                WHERE slots.id = task.id
            """,
        ),
    ]
