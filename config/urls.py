"""Every address of the platform. Pages at the root, the API below /api/v1/, Django admin below /admin/."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from config.home import home
from people.views import admin_sign_in

handler404 = "people.api.errors.address_missing"
urlpatterns = [
    path("", home, name="home"),
    path("admin/login/", admin_sign_in, name="admin-sign-in"),  # in place of the one that the admin brings
    path("admin/", admin.site.urls),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/v1/docs/", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("", include("people.urls")),
    path("", include("labeling.urls")),
    path("", include("training.urls")),
]
