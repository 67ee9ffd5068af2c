"""The admin of people and projects. Staff who are no superusers see the projects that they manage, and no others."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.forms import CharField, ModelChoiceField, ModelForm, ValidationError
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from people.access import MANAGING, has_role, projects_for
from people.models import AccessToken, Membership, Project, User
from people.refusals import Refused
from people.services.members import skills_checked

admin.site.unregister(Group)  # roles in projects say who may do what


def _manages_any(request: HttpRequest) -> bool:
    user = cast(User, request.user)
    return user.is_staff and projects_for(user, MANAGING).exists()


def _is_last_administrator(user: User | None) -> bool:
    """Whether nobody could administer the platform without this user."""
    if user is None or not (user.is_superuser and user.is_active):
        return False
    return not User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk).exists()


class UserForm(UserChangeForm):
    """A user as superusers change one."""

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError where nobody would be left who can administer the platform."""
        cleaned = cast(dict[str, Any], super().clean())
        before = User.objects.filter(pk=self.instance.pk).first()
        keeps = all(cleaned.get(name) for name in ("is_superuser", "is_staff", "is_active"))
        if not keeps and _is_last_administrator(before):
            raise ValidationError("This is the last administrator; make another user a superuser first.")
        return cleaned


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # the base is not generic at run time
    """Users, for superusers alone: managers know the people of their projects and bring in others by user name."""

    form = UserForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "is_active", "is_staff", "is_superuser", "is_simulated", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser", "is_simulated"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email", "is_simulated"]}),
        ("Access", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["username", "usable_password", "password1", "password2", "is_simulated"]})]
    readonly_fields = ["last_login", "date_joined"]

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers, whatever else staff may have been allowed."""
        return bool(cast(User, request.user).is_superuser)

    has_change_permission = has_view_permission

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers; nobody deletes the last of them."""
        return self.has_view_permission(request) and not _is_last_administrator(obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return bool(cast(User, request.user).is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Only superusers find users in the menu."""
        return bool(cast(User, request.user).is_superuser)


class MembershipForm(ModelForm):  # type: ignore[type-arg]  # Django's is not generic at run time
    """A member by user name, which one must know: a list to choose from would name the people of other projects."""

    user = ModelChoiceField(
        queryset=User.objects.filter(is_active=True),
        to_field_name="username",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        error_messages={"invalid_choice": "There is no active user of this name."},
    )

    skills = CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="What the person can judge, with commas between, as in: de, law",
    )

    class Meta:
        model = Membership
        fields = ["user", "role", "cohort", "skills"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["skills"] = ", ".join(self.instance.skills)
        if self.instance.pk:
            self.initial["user"] = self.instance.user.username
            self.fields["user"].disabled = True  # who a membership is of stays; the role and the cohort may change

    def clean_skills(self) -> list[str]:
        """The skills, one by one. Raises ValidationError with the service's sentence."""
        try:
            return skills_checked(self.cleaned_data["skills"].split(","))
        except Refused as refusal:
            raise ValidationError(str(refusal)) from refusal


class MembershipInline(TabularInline):
    """A project's members on the project's own page."""

    model = Membership
    form = MembershipForm
    extra = 0
    fields = ["user", "role", "cohort", "skills", "joined_at"]
    readonly_fields = ["joined_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """With the users, whose names each row shows."""
        return cast(QuerySet[Membership], super().get_queryset(request).select_related("user", "project"))

    def has_view_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """Whoever may see the project."""
        return _may(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """Whoever manages the project."""
        return _may(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """Whoever manages the project."""
        return _may(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """Whoever manages the project: labels stay when a member leaves."""
        return _may(request, obj)


@admin.register(Project)
class ProjectAdmin(ModelAdmin):
    """Projects and their members."""

    list_display = ["name", "slug", "is_active", "members_count", "created_at"]
    list_filter = ["is_active"]
    search_fields = ["name", "slug"]
    fields = ["name", "slug", "description", "is_active"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        """The projects that the person manages, with the number of their members."""
        mine = projects_for(cast(User, request.user), MANAGING)
        rows: QuerySet[Project] = super().get_queryset(request)
        return rows.filter(pk__in=mine).annotate(_members=Count("memberships"))

    @admin.display(description="Members", ordering="_members")
    def members_count(self, project: Project) -> int:
        """Memberships of any role."""
        return int(project._members)  # type: ignore[attr-defined]  # annotated above

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> list[str]:
        """A project keeps its slug: snapshots and runs name it."""
        return ["slug"] if obj is not None else []

    def get_prepopulated_fields(self, request: HttpRequest, obj: Project | None = None) -> dict[str, list[str]]:
        """The slug is proposed for a new project only."""
        return {} if obj is not None else {"slug": ["name"]}

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff who manage something."""
        return cast(User, request.user).is_superuser or _manages_any(request)

    def has_view_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """The project's managers."""
        return _may(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """The project's managers."""
        return _may(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """Superusers: everything that hangs on a project goes with it."""
        return bool(cast(User, request.user).is_superuser)


def _may(request: HttpRequest, project: Project | None) -> bool:
    user = cast(User, request.user)
    if project is None or project.pk is None:
        return user.is_superuser or _manages_any(request)
    return user.is_staff and has_role(user, project, MANAGING)


@admin.register(AccessToken)
class AccessTokenAdmin(ModelAdmin):
    """Tokens of programs, for superusers: to see which are used, and to revoke one that leaked."""

    list_display = ["__str__", "user", "scopes_named", "created", "expiry", "used_on"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    fields = ["name", "user", "scopes_named", "created", "expiry", "used_on"]
    readonly_fields = fields

    @admin.display(description="Scopes")
    def scopes_named(self, token: AccessToken) -> str:
        """The scopes, in words."""
        return ", ".join(token.scopes)

    def has_view_permission(self, request: HttpRequest, obj: AccessToken | None = None) -> bool:
        """Superusers."""
        return bool(cast(User, request.user).is_superuser)

    has_delete_permission = has_view_permission

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Only superusers find tokens in the menu."""
        return bool(cast(User, request.user).is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """People make their own: nobody else may see what a token says."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AccessToken | None = None) -> bool:
        """A token that may more would be another token."""
        return False
